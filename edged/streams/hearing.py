"""One microphone's way: who speaks is found once, whatever listens; clips go to the lanes of the services.

The sound is looked at in the source's thread: the detector needs half a millisecond for 32 ms of it.
"""

import itertools
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from edged.contracts.errors import RequestError
from edged.contracts.items import LiveClip
from edged.contracts.services import service
from edged.contracts.slot import Priority
from edged.media.chunks import SoundChunk
from edged.media.sound import RATE
from edged.ops.clips import WINDOW
from edged.ops.utterances import Utterance, UtteranceCutter, UtteranceRules
from edged.serving.run import RunHandle
from edged.serving.scheduler import Scheduler
from edged.serving.table import ServiceTable
from edged.serving.voice import VOICE, VoiceMeter
from edged.streams.clipbox import ClipBox, Pieces, Waiting
from edged.streams.feed import Due, RunSettings
from edged.streams.lane import StreamRoute
from edged.streams.publisher import Outlet
from edged.streams.rule import PublishSettings

PIECE_S = 5.0
"""Length of the pieces for a service that listens always, unless `every` says another."""
GROWTH_S = 1.0
"""A growing utterance is heard again when it is so much longer."""
RESTING_S = 0.2
"""Who has been quiet for so long may be done: nothing is begun that the final result would wait for."""


class SoundFeed:
    """All lanes of one microphone. Start and stop stand with the stream's."""

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
        self._outlet = outlet
        self._table = table
        self._scheduler = scheduler
        self._lanes = [
            _Lane(outlet, run, table, run.publish or publish, waiting, voice_only=voice_only) for run in runs
        ]
        self._ear: _Ear | None = None
        self._numbers = itertools.count()

    def start(self) -> None:
        """Open the lanes."""
        for lane in self._lanes:
            self._scheduler.add(lane.name, lane.clips, lane.work)

    def stop(self) -> None:
        """Close the lanes; returns when none of their clips is in work."""
        for lane in self._lanes:
            self._scheduler.remove(lane.name)
            lane.clips.clear()
            lane.route.publisher.close()

    def put(self, chunk: SoundChunk) -> None:
        """More sound. Called by one thread at a time."""
        if self._ear is not None and not self._ear.follows(chunk):
            self.end()
        ear = self._ear = self._ear or self._new_ear(chunk)
        if ear is None:
            self._outlet.counters.count(f"frames_dropped/{self._outlet.stream}", "service not ready")
            return
        heard = ear.listen(chunk)
        for lane in self._lanes:
            lane.sound(chunk, heard)
        for live in ear.utterances(chunk, heard):
            for lane in self._lanes:
                lane.said(live)
        growing = [lane for lane in self._lanes if lane.wants(ear.spoken_s)]
        if growing and (so_far := ear.so_far()) is not None:
            for lane in growing:
                lane.said(so_far)

    def end(self) -> None:
        """The source has ended, or sound was lost: what was said last is an utterance, too."""
        ear, self._ear = self._ear, None
        last = None if ear is None else ear.rest()
        for lane in self._lanes:
            lane.interrupted()
            if last is not None:
                lane.said(last)

    def _new_ear(self, chunk: SoundChunk) -> "_Ear | None":
        """None while no service is up, whose voice detector it could use."""
        for lane in self._lanes:
            try:
                voice = self._table.get(lane.service).instance.used(VOICE, Priority.FRAME)
            except RequestError:
                continue
            return _Ear(VoiceMeter(voice), chunk.position, self._numbers)
        return None


class _Ear:
    """Who speaks on one microphone, from one opening of it, without a gap."""

    def __init__(self, meter: VoiceMeter, position: int, numbers: Iterator[int]) -> None:
        """`position`: samples of the source before; `numbers`: of the stream's utterances."""
        self._meter = meter
        self._next = position
        self._origin = 0.0
        self._cutter = UtteranceCutter(UtteranceRules(), RATE, position)
        self._numbers = numbers
        self._number = next(numbers)

    def follows(self, chunk: SoundChunk) -> bool:
        """Whether nothing is missing between the last chunk and this one."""
        return chunk.position == self._next

    def listen(self, chunk: SoundChunk) -> NDArray[np.floating]:
        """[n] probability of a voice, window by window."""
        self._next = chunk.position + len(chunk.samples)
        self._origin = chunk.captured_at - chunk.position / RATE
        return self._meter.probabilities(chunk.samples, RunHandle())

    def utterances(self, chunk: SoundChunk, heard: NDArray[np.floating]) -> Iterator[LiveClip]:
        """Those that end in a chunk."""
        for i, probability in enumerate(heard.tolist()):
            window = chunk.samples[i * WINDOW : (i + 1) * WINDOW]
            if (over := self._cutter.put(window, probability)) is not None:
                yield self._live(over)

    @property
    def spoken_s(self) -> float:
        """Seconds of the utterance that grows; 0 when none does."""
        grows = self._cutter.speaks and self._cutter.quiet_seconds < RESTING_S
        return self._cutter.seconds if grows else 0.0

    def so_far(self) -> LiveClip | None:
        """The utterance that grows."""
        growing = self._cutter.so_far()
        return None if growing is None else self._live(growing)

    def rest(self) -> LiveClip | None:
        """What was said when the sound ended."""
        last = self._cutter.rest()
        return None if last is None else self._live(last)

    def _live(self, utterance: Utterance) -> LiveClip:
        captured_at = self._origin + utterance.clip.start_us / 1e6
        live = LiveClip(utterance.clip, captured_at, self._number, utterance.final)
        if utterance.final:
            self._number = next(self._numbers)
        return live


class _Lane:
    """One service of one microphone."""

    def __init__(
        self,
        outlet: Outlet,
        run: RunSettings,
        table: ServiceTable,
        publish: PublishSettings,
        waiting: Waiting,
        *,
        voice_only: bool,
    ) -> None:
        self._waiting = waiting
        self.service = run.service
        self.name = f"{outlet.stream}/{run.service}"
        self.clips = ClipBox(partial(outlet.counters.count, f"frames_dropped/{outlet.stream}"), waiting)
        self.route = StreamRoute(outlet, lambda: table.get(run.service), run.options, publish)
        self._listens = service(run.service).listens
        self._due = Due(run.every if self._listens != "always" else None)
        self._pieces = Pieces(run.every or PIECE_S, voice_only=voice_only)
        self._heard_s = 0.0

    def sound(self, chunk: SoundChunk, heard: NDArray[np.floating]) -> None:
        """For a service that listens always: a piece, when one is full."""
        if self._listens != "always":
            return
        piece = self._pieces.put(chunk, heard)
        if piece is not None:
            self.clips.put(piece)

    def interrupted(self) -> None:
        """Sound was lost: what was collected is no piece of what comes."""
        self._pieces.clear()

    def wants(self, spoken_s: float) -> bool:
        """Whether to hear an utterance that is `spoken_s` long so far."""
        return self._listens == "growing" and not len(self.clips) and spoken_s - self._heard_s >= GROWTH_S

    def said(self, live: LiveClip) -> None:
        """An utterance, or what there is of one that grows."""
        if self._listens == "always":
            return
        self._heard_s = 0.0 if live.final else live.clip.seconds
        if not live.final or self._due.at(live.captured_at):
            self.clips.put(live)

    def work(self, live: LiveClip) -> None:
        """In a worker: a partial result is given up as soon as a final one is wanted, of whom ever."""
        if live.final:
            self.route.handle(live)
        else:
            self.route.handle(live, RunHandle(is_cancelled=self._waiting.__bool__), Priority.JOB)
