"""One service of one microphone: what it wants to hear, and the clips that wait for it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edged.contracts.errors import RequestError
from edged.contracts.items import LiveClip
from edged.contracts.model import Options
from edged.contracts.services import service
from edged.contracts.slot import Priority
from edged.contracts.speech import Clips
from edged.media.chunks import SoundChunk
from edged.serving.run import RunHandle
from edged.serving.scheduler import Scheduler
from edged.serving.table import Served
from edged.streams.clipbox import ClipBox, Pieces, Waiting
from edged.streams.lane import Lane, LaneTools, RunSettings
from edged.streams.listener import Listener
from edged.streams.turns import Turns

PIECE_S = 5.0
"""Length of the pieces for a service that listens always, unless `every` says another."""
GROWTH_S = 1.0
"""What is new in a growing utterance is heard when it is so long."""


class SoundLane(Lane[LiveClip]):
    """What lanes of a microphone have in common. Each is told of all that is heard, and takes its share."""

    def __init__(self, tools: LaneTools, run: RunSettings, waiting: Waiting) -> None:
        super().__init__(tools, run)
        self.mailbox: ClipBox = ClipBox(self.dropped, waiting)

    def stop(self, scheduler: Scheduler) -> None:
        super().stop(scheduler)
        self.mailbox.clear()

    def sound(self, chunk: SoundChunk, heard: NDArray[np.floating]) -> None:
        """More sound, and [n] probabilities of a voice, 0 to 1, in its windows."""

    def interrupted(self) -> None:
        """Sound was lost."""

    def wants(self, spoken_s: float) -> bool:
        """Whether to hear an utterance that is `spoken_s` long so far."""
        return False

    def said(self, live: LiveClip) -> None:
        """An utterance, or what there is of one that grows."""

    def infer(
        self, item: LiveClip, served: Served, options: Options, run: RunHandle, priority: Priority
    ) -> Clips[Any] | None:
        """The result of the clip alone."""
        result = self.heard(item, served, options, run, priority)
        return None if result is None else Clips([(item.clip.start_us, result)])

    def heard(
        self, item: LiveClip, served: Served, options: Options, run: RunHandle, priority: Priority
    ) -> Any | None:
        """What the model says of the clip; none: nothing yet."""
        return served.instance.infer(item.clip, options, run, priority)


class PieceLane(SoundLane):
    """All sound, piece by piece."""

    def __init__(self, tools: LaneTools, run: RunSettings, waiting: Waiting, *, voice_only: bool) -> None:
        super().__init__(tools, run, waiting)
        self._pieces = Pieces(run.every or PIECE_S, voice_only=voice_only)

    def sound(self, chunk: SoundChunk, heard: NDArray[np.floating]) -> None:
        """Its piece, when one is full."""
        if (piece := self._pieces.put(chunk, heard)) is not None:
            self.mailbox.put(piece)

    def interrupted(self) -> None:
        """What was collected is no piece of what comes."""
        self._pieces.clear()


class UtteranceLane(SoundLane):
    """Each utterance when it is over; and while it grows, where a model steps through it."""

    def __init__(self, tools: LaneTools, run: RunSettings, waiting: Waiting) -> None:
        super().__init__(tools, run, waiting)
        self._growing = service(run.service).listens == "growing"
        self._waiting = waiting
        self._turns = Turns(run.every)
        self._listener = Listener()
        self._offered_s = 0.0

    def wants(self, spoken_s: float) -> bool:
        """When it has grown, and nothing waits."""
        grown = spoken_s - self._offered_s >= GROWTH_S
        return self._growing and grown and not len(self.mailbox) and self._steps()

    def said(self, live: LiveClip) -> None:
        """It waits for a worker, unless it is too early for one."""
        self._offered_s = 0.0 if live.final else live.clip.seconds
        if not live.final or self._turns.at(live.captured_at):
            self.mailbox.put(live)

    def work(self, item: LiveClip) -> None:
        """In a worker: a partial result is given up as soon as a final one is wanted, of whom ever."""
        if item.final:
            super().work(item)
        else:
            self.handle(item, RunHandle(is_cancelled=self._waiting.__bool__), Priority.JOB)

    def heard(
        self, item: LiveClip, served: Served, options: Options, run: RunHandle, priority: Priority
    ) -> Any | None:
        """What is new in it goes on from what was heard before."""
        if self._growing and served.instance.hears_utterances:
            return self._listener.step(item, served, options, run, priority)
        return super().heard(item, served, options, run, priority)

    def _steps(self) -> bool:
        try:
            return self._table.get(self.service).instance.hears_utterances
        except RequestError:
            return False
