"""A microphone's sound on its way: who speaks is found once, whatever listens.

The sound is looked at in the source's thread: the detector needs half a millisecond for 32 ms of it.
"""

import itertools
from collections.abc import Sequence

from edged.contracts.errors import RequestError
from edged.contracts.services import service
from edged.contracts.slot import Priority
from edged.media.chunks import SoundChunk
from edged.serving.scheduler import Scheduler
from edged.serving.table import ServiceTable
from edged.serving.voice import VOICE, VoiceMeter
from edged.streams.clipbox import Waiting
from edged.streams.ear import Ear
from edged.streams.lane import Lanes, LaneTools, RunSettings
from edged.streams.publisher import Outlet
from edged.streams.rule import PublishSettings
from edged.streams.sound_lane import PieceLane, SoundLane, UtteranceLane


class SoundFeed(Lanes[SoundLane]):
    """All lanes of one microphone."""

    def __init__(
        self,
        outlet: Outlet,
        runs: Sequence[RunSettings],
        table: ServiceTable,
        scheduler: Scheduler,
        publish: PublishSettings = PublishSettings(),  # noqa: B008 - frozen
        *,
        waiting: Waiting | None = None,
        voice_only: bool = False,
    ) -> None:
        """`waiting` is shared by all microphones; `voice_only`: services that listen always get no piece
        without a voice."""
        waiting = Waiting() if waiting is None else waiting
        tools = LaneTools(outlet, table, publish)
        lanes = [
            PieceLane(tools, run, waiting, voice_only=voice_only)
            if service(run.service).listens == "always"
            else UtteranceLane(tools, run, waiting)
            for run in runs
        ]
        super().__init__(lanes, scheduler)
        self._table = table
        self._ear: Ear | None = None
        self._numbers = itertools.count()

    def put(self, chunk: SoundChunk) -> None:
        """More sound. Called by one thread at a time."""
        if self._ear is not None and not self._ear.follows(chunk):
            self.end()
        ear = self._ear = self._ear or self._new_ear(chunk)
        if ear is None:
            self._lanes[0].dropped("service not ready")
            return
        heard = ear.listen(chunk)
        for lane in self._lanes:
            lane.sound(chunk, heard)
        for live in ear.utterances(chunk, heard):
            for lane in self._lanes:
                lane.said(live)
        curious = [lane for lane in self._lanes if lane.wants(ear.spoken_s)]
        if curious and (so_far := ear.so_far()) is not None:
            for lane in curious:
                lane.said(so_far)

    def end(self) -> None:
        """The source has ended, or sound was lost: what was said last is an utterance, too."""
        ear, self._ear = self._ear, None
        last = None if ear is None else ear.rest()
        for lane in self._lanes:
            lane.interrupted()
            if last is not None:
                lane.said(last)

    def _new_ear(self, chunk: SoundChunk) -> Ear | None:
        """None while no service is up, whose voice detector it could use."""
        for lane in self._lanes:
            try:
                voice = self._table.get(lane.service).instance.used(VOICE, Priority.FRAME)
            except RequestError:
                continue
            return Ear(VoiceMeter(voice), chunk.position, self._numbers)
        return None
