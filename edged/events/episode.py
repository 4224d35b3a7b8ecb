"""One thing that may hold for a while: it waits to begin, goes on, and is over."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from edged.events.conditions import About

UNKNOWN_S = 60.0
"""What nobody knows any more for so long has ended."""

Change = Literal["begin", "over", "unknown", "gone"]
"""`gone`: it had not begun yet."""


class When(NamedTuple):
    """A time by both clocks, as of looks."""

    ticks: float
    at: float | None

    def wall(self, ticks: float) -> float | None:
        """What the wall clock showed then, by how it is set now."""
        return None if self.at is None else self.at - (self.ticks - ticks)


class Waits(NamedTuple):
    """What is waited for, seconds."""

    begin: float
    """So long it must hold."""
    gap: float
    """And so long it may not, meanwhile."""
    end: float
    """So long it must not hold."""


@dataclass(slots=True)
class Episode:
    """Times are ticks. The order of the looks is not quite that of the times: looks are late."""

    about: About
    began: float
    began_at: float | None
    held: float
    """When it held last."""
    known: float
    """When somebody knew last whether it holds."""
    is_on: bool = False
    """Whether it has begun."""
    is_loud: bool = False
    """Whether its actions are done."""
    _ceased: float | None = None
    """When it ceased to hold; none: it holds."""
    _off: tuple[float, float] | None = None
    """The first and the last time at which it was known not to hold, without a long gap between."""

    def step(self, value: bool | None, ticks: float, waits: Waits, *, is_shown: bool) -> Change | None:
        """How it is at a time, and what follows. `is_shown`: a look says so, no mere time that went by."""
        if value is not None:
            self.known = max(self.known, ticks)
        if value:
            self.held, self._ceased, self._off = max(self.held, ticks), None, None
            if self.is_on or not is_shown or ticks - self.began < waits.begin:
                return None
            self.is_on = True
            return "begin"
        if self._ceased is None:
            self._ceased = self.held if value is None else ticks
        if not self.is_on:
            return "gone" if ticks - self.held > waits.gap else None
        if value is None:
            return "unknown" if ticks - self.known >= UNKNOWN_S else None
        first, last = self._off or (ticks, ticks)
        self._off = (first if ticks - last <= waits.gap else ticks), max(last, ticks)
        return "over" if ticks - self._off[0] >= waits.end else None

    def lasted(self, ticks: float) -> float:
        """Seconds from its beginning until it ceased to hold, or until then."""
        return max((ticks if self._ceased is None else self._ceased) - self.began, 0.0)
