"""What a clip counts, in memory alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from edged.counts.book import Passage
from edged.events.happening import Happening, Standing
from edged.events.look import Moved
from edged.ops.movements import Direction, Entered, Left
from edged.streams.places import PlacesSettings


@dataclass
class ZoneTally:
    """Of one zone."""

    entered: int = 0
    left: int = 0
    most: int = 0
    """At a time."""
    longest_s: float = 0.0
    """That anybody stayed."""


class Tally:
    """Of one clip: in the place of a stream's counts and of its events. Used by one thread."""

    def __init__(self, places: PlacesSettings, tell: Callable[[Happening], None]) -> None:
        """`tell` is called with what happens, as it comes."""
        self.lines: dict[str, dict[str, dict[Direction, int]]] = {line: {} for line in places.lines}
        """Crossings by class and direction."""
        self.zones = {zone: ZoneTally() for zone in places.zones}
        self._tell = tell
        self._at = 0.0
        self._inside: Mapping[str, Sequence[tuple[str, float]]] = {}

    def highest(self) -> int:
        """No track has an id yet."""
        return 0

    def promise(self, highest: int) -> None:
        """Nobody will come after it."""

    def moved(self, at: float, moved: Moved) -> None:
        """What the objects of a frame did."""
        self._at = at
        for one in moved.movements:
            if isinstance(one, Entered):
                self.zones[one.zone].entered += 1
            elif isinstance(one, Left):
                zone = self.zones[one.zone]
                zone.left += 1
                zone.longest_s = max(zone.longest_s, one.at - one.since)

    def looked(self, at: float) -> None:
        """Nothing is put down of it."""

    def occupied(self, inside: Mapping[str, Sequence[tuple[str, float]]]) -> None:
        """Who is in the zones."""
        self._inside = inside
        for name, who in inside.items():
            self.zones[name].most = max(self.zones[name].most, len(who))

    def unknown(self) -> None:
        """Nobody knows any more who is in the zones: who was stayed at least until now."""
        inside, self._inside = self._inside, {}
        for name, who in inside.items():
            zone = self.zones[name]
            zone.longest_s = max([zone.longest_s, *(self._at - since for _, since in who)])

    def put(self, passages: Sequence[Passage], happenings: Sequence[Happening]) -> None:
        """What came of one look."""
        for one in passages:
            ways = self.lines[one.line].setdefault(one.class_name, {"in": 0, "out": 0})
            ways[one.direction] += 1
        for happening in happenings:
            self._tell(happening)

    def standings(self, rules: Mapping[str, Standing]) -> None:
        """Their events tell enough."""

    def close(self) -> None:
        """The clip has ended."""
        self.unknown()
