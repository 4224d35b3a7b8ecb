"""What is known of a stream now: the newest result of each service, and for how long it stands."""

import math
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from edged.events.look import Inside, Look, Moved, Reached, Read, Shown, Still

FRESH_S = 5.0
"""Nobody knows any more so long after the last look, or after three results of a service that is slower."""
GAP_S = 2.0
"""Such a gap is forgiven, or one of three results."""
RESULTS = 3
"""Of a slow service."""
_INTERVALS = 5
"""The middle one of so many says how often a service has a result."""

T = TypeVar("T")
Part = Literal["moved", "shown", "read", "reached"]
"""What of a scene has changed."""


@dataclass(slots=True)
class Newest(Generic[T]):
    """The newest result of one service."""

    every: float = 0.0
    """Seconds from one result to the next, as far as the configuration says so."""
    _value: T | None = None
    _result_at: float | None = None
    """Ticks of the newest result."""
    _seen_at: float = 0.0
    """Ticks up to which it stands: of the newest result, or of a later picture in which nothing moved."""
    _intervals: deque[float] = field(default_factory=lambda: deque(maxlen=_INTERVALS))
    _middle: float = 0.0
    """Of the intervals."""

    def put(self, value: T | None, ticks: float) -> bool:
        """A result, none where the service failed; false: it is late, or comes twice."""
        if self._result_at is not None:
            if ticks <= self._result_at:
                return False
            if self._seen_at == self._result_at:  # else the pictures between were not looked at
                self._intervals.append(ticks - self._result_at)
                self._middle = sorted(self._intervals)[len(self._intervals) // 2]
        self._value, self._result_at, self._seen_at = value, ticks, ticks
        return True

    def still(self, ticks: float) -> None:
        """Nothing moved, so it stands."""
        if self._value is not None:
            self._seen_at = max(self._seen_at, ticks)

    def forget(self) -> None:
        """The stream shows nothing."""
        self._value, self._seen_at = None, -math.inf

    def now(self, ticks: float) -> T | None:
        """What is known; none: nothing, or not any more."""
        return self._value if ticks - self._seen_at <= self.lasts(FRESH_S) else None

    def lasts(self, least: float) -> float:
        """Three results, or so many seconds where that is more."""
        return max(least, RESULTS * self.every, RESULTS * self._middle)


@dataclass(slots=True, eq=False)
class Occupant:
    """Somebody who is in a zone."""

    track: int
    """The number with which it came."""
    number: int
    """That it has now: who is lost and found again within 1.5 s has another one."""
    class_name: str
    since: float
    """Ticks."""


class Occupants:
    """Who is in one zone, by the number of the track now."""

    def __init__(self) -> None:
        self.now: Mapping[int, Occupant] = {}
        """The same object as long as nobody comes or goes."""
        self._came: dict[int, float] = {}
        """When each came in, `captured_at`: an heir has the time of the one that was lost."""
        self._known_at: float | None = None
        """Ticks: of the last look that shows who is there, else of the first one."""

    def put(self, inside: Mapping[int, tuple[str, float]] | None, ticks: float, at: float | None) -> None:
        """Who is there at a look; none: nobody knows."""
        if self._known_at is None:
            self._known_at = ticks
        if inside is None:
            return
        self._known_at, known = ticks, self._known_at
        if inside.keys() == self.now.keys():
            return
        gone = {number: since for number, since in self._came.items() if number not in inside}
        found: dict[int, Occupant] = {}
        for number, (class_name, since) in inside.items():
            if (occupant := self.now.get(number)) is None:
                heir_of = next((lost for lost, came in gone.items() if came == since), None)
                if heir_of is not None:
                    del gone[heir_of]
                    occupant = self.now[heir_of]
                    occupant.number = number
                else:
                    occupant = Occupant(number, number, class_name, _since(since, ticks, at, known))
            found[number] = occupant
        self.now = found
        self._came = {number: since for number, (_, since) in inside.items()}


def _since(since: float, ticks: float, at: float | None, known: float) -> float:
    """Ticks of a time of the wall clock, which may have been set: not before it was `known` who is there."""
    ago = 0.0 if at is None else max(at - since, 0.0)
    return ticks - min(ago, max(ticks - known, 0.0))


class Scene:
    """What is known of one stream. Time comes in: a look's own, or the newest tick."""

    def __init__(self, zones: Mapping[str, Occupants], every: Mapping[str, float]) -> None:
        """`zones`: those in which somebody wants to know who is who; `every`: seconds from one result to the
        next, by service, as far as the configuration says so."""
        self.zones = zones
        self.state: Literal["online", "stalled", "offline"] | None = None
        """Of the source; none: not known yet."""
        self.moved: Newest[Moved] = Newest()
        self.follows = False
        """Whether objects are followed: a `Moved` has come."""
        self.classes: frozenset[str] = frozenset()
        """Of those who are followed, where that is known."""
        self.shown: dict[str, Newest[frozenset[str]]] = {}
        self.read: dict[str, Newest[tuple[str, ...]]] = {}
        self._every = every
        self._lost_at = -math.inf
        """Ticks: what was captured before is of a source that is gone."""

    def put(self, look: Look) -> frozenset[Part]:
        """The parts that are told anew; none: the look is late, comes twice, or says nothing that lasts."""
        if look.ticks <= self._lost_at and not isinstance(look.what, Reached):
            return frozenset()
        what, ticks = look.what, look.ticks
        parts: tuple[Part, ...] = ()
        match what:
            case Moved():
                parts = ("moved",) if self._followed(what, ticks, look.at) else ()
            case Shown(service, classes):
                parts = ("shown",) if self._view(self.shown, service).put(classes, ticks) else ()
            case Read(service, texts):
                value = None if texts is None else tuple(texts)
                parts = ("read",) if self._view(self.read, service).put(value, ticks) else ()
            case Still():
                for one in self._views():
                    one.still(ticks)
                parts = ("moved", "shown", "read")
            case Reached("online"):
                self.state, parts = what.state, ("reached",)
            case Reached():
                self.state, self._lost_at = what.state, ticks
                for one in self._views():
                    one.forget()
                parts = ("moved", "shown", "read", "reached")
        return frozenset(parts)

    def inside(self, ticks: float) -> Inside | None:
        """Who is in the zones; none: nobody knows."""
        moved = self.moved.now(ticks)
        return None if moved is None else moved.inside

    def _followed(self, moved: Moved, ticks: float, at: float | None) -> bool:
        self.follows = True
        if not self.moved.put(moved, ticks):
            return False
        self.classes = frozenset((moved.present or {}).values())
        for name, occupants in self.zones.items():
            occupants.put(None if moved.inside is None else moved.inside.get(name, {}), ticks, at)
        return True

    def _view(self, views: dict[str, Newest[T]], service: str) -> Newest[T]:
        return views.setdefault(service, Newest(self._every.get(service, 0.0)))

    def _views(self) -> Iterator[Newest[Moved] | Newest[frozenset[str]] | Newest[tuple[str, ...]]]:
        yield self.moved
        yield from self.shown.values()
        yield from self.read.values()
