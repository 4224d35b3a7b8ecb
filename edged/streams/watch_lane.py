"""One service of one camera whose model remembers what it saw: every frame is a step, not an item."""

from dataclasses import dataclass
from typing import Any

from edged.contracts.errors import NotUsable
from edged.contracts.items import Frame
from edged.contracts.model import Options
from edged.contracts.slot import Priority
from edged.flow.mailbox import Latest
from edged.serving.run import RunHandle
from edged.serving.table import Served
from edged.streams.frame_lane import FrameLane
from edged.streams.lane import LaneTools, RunSettings
from edged.streams.turns import Turns

ROOM = 8
"""Frames that wait while the model is at work on those before; one of 720p is 1.4 MB."""
GAP_S = 2.0
"""After so long without a frame what was seen before is another scene."""


@dataclass(frozen=True, slots=True)
class _Memory:
    """What a model has seen so far."""

    served: Served
    """Whose model it is; another one begins anew."""
    state: Any
    began_at: float
    last: Frame

    def goes_on(self, frame: Frame) -> bool:
        """Whether this comes after it: the source was not opened again, and nothing long is missing."""
        since = frame.captured_at - self.last.captured_at
        return frame.seq > self.last.seq and 0 <= since <= GAP_S


class WatchLane(FrameLane):
    """Steps a model through a camera's frames, so many a second as it wants.

    `every` says how often there is a result. Where that is longer than the model looks at the scene for one,
    it rests in between, and begins anew.
    """

    def __init__(self, tools: LaneTools, run: RunSettings) -> None:
        super().__init__(tools, run)
        self.mailbox: Latest[Frame] = Latest(lambda: self.dropped("busy"), ROOM)
        self._rest_s = run.every or 0.0
        self._results = Turns(run.every)
        self._ticks = Ticks()
        self._rests_until = 0.0
        self._memory: _Memory | None = None

    def wants(self, captured_at: float) -> bool:
        """Unless it rests."""
        return not 0 < self._rests_until - captured_at <= self._rest_s  # else the clock was set back

    def put(self, frame: Frame) -> None:
        """A frame, if the model wants one so soon."""
        if self.wants(frame.captured_at) and self._ticks.at(frame.captured_at):
            self.mailbox.put(frame)

    def infer(
        self, item: Frame, served: Served, options: Options, run: RunHandle, priority: Priority
    ) -> Any | None:
        """What the model says after this frame; none: nothing yet. Whoever raises has seen nothing."""
        instance = served.instance
        if not instance.steps:
            raise NotUsable(f"{instance.card.id} looks at whole videos, not at a camera: name another model")
        self._ticks.a_second = instance.frame_rate
        known = self._memory
        if known is None or known.served is not served or not known.goes_on(item):
            known = _Memory(served, instance.start(options), item.captured_at, item)
        result, state = instance.step(item, known.state, options, run, priority)
        self._memory = _Memory(served, state, known.began_at, item)
        if result is None or not self._results.at(item.captured_at):
            return None
        if (rest := self._rest_s - (item.captured_at - known.began_at)) > 0:
            self._memory, self._rests_until = None, item.captured_at + rest
        return result


class Ticks:
    """Lets so many items a second pass, as evenly as they come."""

    def __init__(self) -> None:
        self.a_second: float | None = None
        """None: every item passes."""
        self._next_at = 0.0

    def at(self, captured_at: float) -> bool:
        """Whether it is time for one; asked once an item."""
        if self.a_second is None:
            return True
        step = 1 / self.a_second
        if abs(captured_at - self._next_at) > GAP_S:  # the first one, a gap, or the clock was set
            self._next_at = captured_at
        if captured_at < self._next_at - step / 100:
            return False
        self._next_at += step * max(1, (captured_at - self._next_at) // step)
        return True
