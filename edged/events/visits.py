"""Who comes into a zone and goes: a visit has a beginning and an end."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from edged.events.episode import UNKNOWN_S, When
from edged.events.happening import Happening, Phase, Reason, Why
from edged.events.look import Moved
from edged.events.scene import Occupant, Scene
from edged.ops.movements import Entered, Left

LATEST_S = 10.0
"""Somebody who is no longer seen was seen last at most so long ago; a clock that says more was set."""


@dataclass(frozen=True, slots=True)
class _Visit:
    zone: str
    who: Occupant
    began_at: float | None

    def told(self, phase: Phase, *, ended: float | None = None, reason: Reason | None = None) -> Happening:
        """`ended`: ticks."""
        return Happening(
            "zone",
            phase,
            f"zone/{self.zone}/{self.who.track}",
            self.began_at,
            None if ended is None else max(ended - self.who.since, 0.0),
            self.who.class_name,
            self.who.track,
            zone=self.zone,
            reason=reason,
        )


class Visits:
    """Those of the zones of one stream of which events are wanted."""

    def __init__(self, zones: Collection[str]) -> None:
        self._zones = zones
        self._going_on: dict[tuple[str, int], _Visit] = {}
        self._known: float = 0.0
        """Ticks at which it was known last who is there."""

    def step(self, scene: Scene, moved: Moved, when: When) -> Iterator[Happening]:
        """A look at those who are followed."""
        if moved.inside is None:
            return
        before, self._known = self._known, when.ticks
        left = [one for one in moved.movements if isinstance(one, Left)]
        for zone in self._zones:
            there = {one.track: one for one in scene.zones[zone].now.values()}
            for number in [number for of, number in self._going_on if of == zone and number not in there]:
                visit = self._going_on.pop((zone, number))
                yield visit.told("end", ended=_last_seen(visit, left, when, before), reason="over")
            for number, one in there.items():
                if (zone, number) not in self._going_on:
                    visit = _Visit(zone, one, when.wall(one.since))
                    self._going_on[zone, number] = visit
                    yield visit.told("begin")
        yield from self._went_through(moved, when)

    def tick(self, ticks: float) -> list[Happening]:
        """What nobody knows any more has ended."""
        is_lost = self._going_on and ticks - self._known >= UNKNOWN_S
        return self.close(lambda kind, zone: "unknown", self._known) if is_lost else []

    def close(self, why: Why, ticks: float) -> list[Happening]:
        """Whatever goes on ends."""
        visits, self._going_on = self._going_on, {}
        return [visit.told("end", ended=ticks, reason=why("zone", visit.zone)) for visit in visits.values()]

    def _went_through(self, moved: Moved, when: When) -> Iterator[Happening]:
        """Who came and went between two looks."""
        came = {(one.zone, one.track) for one in moved.movements if isinstance(one, Entered)}
        for one in moved.movements:
            if isinstance(one, Left) and (one.zone, one.track) in came and one.zone in self._zones:
                who = Occupant(one.track, one.track, one.class_name, when.ticks)
                visit = _Visit(one.zone, who, when.at)
                yield visit.told("begin")
                yield visit.told("end", ended=when.ticks, reason="over")


def _last_seen(visit: _Visit, left: Collection[Left], when: When, known: float) -> float:
    """Ticks at which somebody was in the zone last, who may be lost for a while; who was not seen to leave
    was in it when that was `known` last."""
    at = next((one.at for one in left if (one.zone, one.track) == (visit.zone, visit.who.number)), None)
    if at is None or when.at is None:
        return known
    return when.ticks - min(max(when.at - at, 0.0), LATEST_S)
