"""Whether a rule holds, by what is known: pure functions of a scene."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from edged.events.scene import Newest, Occupant, Part, Scene
from edged.events.settings import RuleSettings, comparison, finder

LONGEST_KEY = 200
"""Characters of a text that make an event of its own."""


@dataclass(frozen=True, slots=True)
class About:
    """What holds is about this."""

    class_name: str | None = None
    track: int | None = None
    text: str | None = None
    since: float | None = None
    """Ticks at which it began to hold; none: at the look that shows it."""


@dataclass(frozen=True, slots=True)
class Holding:
    """True, false or unknown, for each of the things that may hold at the same time."""

    hits: Mapping[str, About]
    """What holds, by key; a rule that is one thing has the key ""."""
    is_complete: bool
    """Whether all else does not hold; else nobody knows."""


NO = Holding({}, True)
NOBODY_KNOWS = Holding({}, False)
YES = Holding({"": About()}, True)


class Condition(Protocol):
    """That of a rule that lasts."""

    parts: frozenset[Part]
    """Of the scene, on which it depends."""
    needs_looks: bool
    """Whether only a look shows that it holds, and no mere time that goes by."""

    def __call__(self, scene: Scene, ticks: float) -> Holding:
        """How it is at a time."""

    def lasts(self, scene: Scene, least: float) -> float:
        """Three results of its slowest service, or so many seconds where that is more."""


class _Followed:
    """Of objects that are followed."""

    needs_looks = True
    parts: frozenset[Part] = frozenset(("moved",))

    def lasts(self, scene: Scene, least: float) -> float:
        return scene.moved.lasts(least)


@dataclass
class CountCondition(_Followed):
    """So many are in a zone."""

    zone: str
    is_met: Callable[[int], bool]

    def __call__(self, scene: Scene, ticks: float) -> Holding:
        """Unknown while nobody knows who is in the zones."""
        inside = scene.inside(ticks)
        if inside is None:
            return NOBODY_KNOWS
        return YES if self.is_met(len(inside.get(self.zone, ()))) else NO


@dataclass
class StayCondition(_Followed):
    """Somebody is in a zone for so long; each is a thing of its own."""

    zone: str
    stays: float
    _last: tuple[Mapping[int, Occupant], float, Holding] = ({}, math.inf, NO)
    """Of whom it was asked last, when the next of them has stayed, and how it is until then."""

    def __call__(self, scene: Scene, ticks: float) -> Holding:
        """By number of the track with which they came."""
        if scene.inside(ticks) is None:
            return NOBODY_KNOWS
        there, (of, until, holding) = scene.zones[self.zone].now, self._last
        if there is not of or ticks >= until:
            stayed = {one: one.since + self.stays for one in there.values()}
            hits = {
                str(one.track): About(one.class_name, one.track, since=since)
                for one, since in stayed.items()
                if since <= ticks
            }
            until = min((since for since in stayed.values() if since > ticks), default=math.inf)
            holding = Holding(hits, True)
            self._last = there, until, holding
        return holding


@dataclass
class SeenCondition:
    """Something of a class is there: among the objects that are followed, else as services say."""

    class_name: str
    needs_looks = True
    parts: frozenset[Part] = frozenset(("moved", "shown"))

    def __call__(self, scene: Scene, ticks: float) -> Holding:
        """Unknown where no service says yes, and one does not know."""
        if scene.follows:
            moved = scene.moved.now(ticks)
            if moved is None or moved.present is None:
                return NOBODY_KNOWS
            is_there, is_complete = self.class_name in scene.classes, True
        else:
            shown = [view.now(ticks) for view in scene.shown.values()]
            is_there = any(classes and self.class_name in classes for classes in shown)
            is_complete = bool(shown) and None not in shown
        return Holding({"": About(self.class_name)}, True) if is_there else Holding({}, is_complete)

    def lasts(self, scene: Scene, least: float) -> float:
        """Of the slowest of those that show something."""
        return _slowest([scene.moved] if scene.follows else scene.shown.values(), least)


@dataclass
class TextCondition:
    """A pattern is found in what is read; each other text that it finds is a thing of its own."""

    find: Callable[[str], str | None]
    needs_looks = True
    parts: frozenset[Part] = frozenset(("read",))
    _found: dict[str, tuple[tuple[str, ...], Mapping[str, About]]] = field(default_factory=dict)
    """By service: what was searched last, and what was found in it."""

    def __call__(self, scene: Scene, ticks: float) -> Holding:
        """By what is found."""
        hits: dict[str, About] = {}
        is_complete = bool(scene.read)
        for service, view in scene.read.items():
            if (texts := view.now(ticks)) is None:
                is_complete = False
            else:
                hits.update(self._hits(service, texts))
        return Holding(hits, is_complete)

    def lasts(self, scene: Scene, least: float) -> float:
        """Of the slowest of those that read."""
        return _slowest(scene.read.values(), least)

    def _hits(self, service: str, texts: tuple[str, ...]) -> Mapping[str, About]:
        known = self._found.get(service)
        if known is None or known[0] is not texts:
            found = (self.find(text) for text in texts)
            hits = {text[:LONGEST_KEY]: About(text=text) for text in found if text is not None}
            self._found[service] = known = texts, hits
        return known[1]


@dataclass
class OfflineCondition:
    """The source shows nothing, connected or not."""

    needs_looks = False
    parts: frozenset[Part] = frozenset(("reached",))

    def __call__(self, scene: Scene, ticks: float) -> Holding:
        """Unknown until the source was tried."""
        if scene.state is None:
            return NOBODY_KNOWS
        return NO if scene.state == "online" else YES

    def lasts(self, scene: Scene, least: float) -> float:
        """It is told at once, and no look is missed."""
        return least


def condition_of(rule: RuleSettings) -> Condition:
    """What a rule that lasts depends on."""
    when = rule.when
    if when.stays is not None:
        return StayCondition(when.place or "", when.stays)
    if when.zone is not None:
        return CountCondition(when.place or "", comparison(when.count or ">= 1"))
    if when.seen is not None:
        return SeenCondition(when.seen)
    if when.text is not None:
        return TextCondition(finder(when.text))
    return OfflineCondition()


def _slowest(views: Iterable[Newest[Any]], least: float) -> float:
    return max((view.lasts(least) for view in views), default=least)
