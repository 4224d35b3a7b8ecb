"""Who crossed a line, who came into a zone and how long somebody stayed: from tracks, and nothing else.

No wall clock and no number of frames is in it. A line counts whoever was clearly on both of its sides and
went through between its ends, so that neither a detector's flicker nor a stop on the line counts, forwards or
backwards. What comes into the picture comes from outside of it, and goes there, so that a line at its edge
counts.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import hypot, sqrt
from typing import Literal

from edged.ops.places import Box, Line, Point, Zone
from edged.ops.tracks import SIGHTINGS, Track

CLEAR = 0.1
"""Of the height of its box something must be away from a line, or from a zone, to be clearly there."""
EDGE = 0.01
"""A box touches the edge of the picture where it is nearer than this share of it."""
MOVES = 0.1
"""Sizes of its box a second with which something goes out of the picture, or has come in."""
HEIR_S = 1.5
"""A track that begins within so many seconds where another was lost goes on with its path."""
HEIR_SIZES = 1.0
"""Where: no farther than so many sizes of its box from where the lost one would be by now."""
LONGEST_S = 1.0
"""Between two frames nothing is thought to have gone farther than within so many seconds."""
LONGEST_PATH = 64
"""Points of a path that are kept since something was clearly on one side."""

Anchor = Literal["foot", "centre"]
Direction = Literal["in", "out"]


@dataclass(frozen=True)
class LinePlace:
    """A line that counts."""

    line: Line
    classes: Collection[str] = ()
    """Only these; empty: all."""
    anchor: Anchor = "foot"


@dataclass(frozen=True)
class ZonePlace:
    """A zone that counts."""

    zone: Zone
    classes: Collection[str] = ()
    """Only these; empty: all."""
    anchor: Anchor = "foot"


@dataclass(frozen=True, slots=True)
class Crossing:
    """A track went through a line."""

    line: str
    direction: Direction
    """`in`: from the left hand to the right."""
    track: int
    class_name: str
    at: float
    """When it was clearly on the other side; of one that left the picture, when it was seen last."""


@dataclass(frozen=True, slots=True)
class Entered:
    """A track came into a zone."""

    zone: str
    track: int
    class_name: str
    at: float


@dataclass(frozen=True, slots=True)
class Left:
    """A track is no longer in a zone, or no longer seen."""

    zone: str
    track: int
    class_name: str
    at: float
    since: float
    """When it had come in."""


Movement = Crossing | Entered | Left


@dataclass
class _Walk:
    """What is known of one track."""

    last: Track
    """As it was seen last."""
    paths: dict[str, list[Point]] = field(default_factory=dict)
    """By line: the anchors since it was clearly on one side."""
    sides: dict[str, int] = field(default_factory=dict)
    """By line: -1 left, 1 right, where it was clearly."""
    inside: dict[str, float] = field(default_factory=dict)
    """By zone: since when it is in it."""
    points: Mapping[Anchor, Point] = field(default_factory=dict)
    """Where its anchors were last."""


class Movements:
    """What tracks do at the lines and zones of one picture. Used by one thread."""

    def __init__(
        self, lines: Mapping[str, LinePlace], zones: Mapping[str, ZonePlace], size: tuple[int, int]
    ) -> None:
        """`size`: width and height of the picture, pixels."""
        self._lines = lines
        self._zones = zones
        self._size = size
        self._walks: dict[int, _Walk] = {}
        self._at: float | None = None
        self._began_at = 0.0
        """When it was looked first: who was there then did not come in just now."""
        self._interval = 0.0
        """Seconds between the last two frames."""

    def step(self, alive: Sequence[Track], ended: Sequence[Track], at: float) -> list[Movement]:
        """What the tracks of a frame, taken at `at`, have done since the one before."""
        if self._at is None:
            self._at = self._began_at = at
        self._interval, self._at = min(max(at - self._at, 0.0), LONGEST_S), at
        told: list[Movement] = []
        seen = [track for track in alive if track.id and track.seen_at == at]
        known = {track.id for track in seen}
        for track in seen:
            if track.id not in self._walks:
                told += self._begun(track, known)
            told += self._moved(track)
        for track in ended:
            if (walk := self._walks.pop(track.id, None)) is not None:
                told += self._gone(walk)
        return told

    def stop(self) -> list[Movement]:
        """The picture ends, and nothing is known any more: whoever is in a zone is no longer seen there."""
        walks, self._walks, self._at = self._walks, {}, None
        return [left for walk in walks.values() for left in self._left(walk)]

    def inside(self, zone: str) -> dict[int, tuple[str, float]]:
        """Who is in a zone: class and since when, by track."""
        found = ((number, walk) for number, walk in self._walks.items() if zone in walk.inside)
        return {number: (walk.last.class_name, walk.inside[zone]) for number, walk in found}

    def _moved(self, track: Track) -> list[Movement]:
        walk = self._walks[track.id]
        walk.last = track
        points = _anchors(track.box)
        told: list[Movement] = [*self._crossed(walk, points)]
        for name, zone in self._zones.items():
            told += _stayed(name, zone, walk, points[zone.anchor])
        walk.points = points
        return told

    def _begun(self, track: Track, known: Collection[int]) -> list[Movement]:
        """A new track goes on with the path of one that was lost there, or it came from outside.

        One that is found again, where another has gone on with its path, begins here.
        """
        walk = _Walk(track)
        if track.sightings > SIGHTINGS:
            self._walks[track.id] = walk
            return []
        outside = None
        if (lost := self._lost_there(track, known)) is not None:
            walk = self._walks.pop(lost)
            walk.last = track
        elif track.born_at > self._began_at:
            outside = beyond(track.first, track.speed, self._size, -self._interval)
        self._walks[track.id] = walk
        came = [box for box in (outside, track.first) if box is not None]
        return [crossing for box in came for crossing in self._crossed(walk, _anchors(box))]

    def _lost_there(self, track: Track, known: Collection[int]) -> int | None:
        """The track that was lost where this one began."""
        near = []
        for number, walk in self._walks.items():
            if number in known:
                continue
            lost = walk.last
            missing = track.born_at - lost.seen_at
            if 0 < missing <= HEIR_S and lost.class_name == track.class_name:
                size = sqrt((track.box[2] - track.box[0]) * (track.box[3] - track.box[1]))
                (x, y), (x0, y0) = _anchors(track.first)["centre"], _anchors(lost.box)["centre"]
                off = hypot(x - x0 - lost.speed[0] * missing, y - y0 - lost.speed[1] * missing)
                near.append((off / size, number))
        return min((pair for pair in near if pair[0] <= HEIR_SIZES), default=(0, None))[1]

    def _gone(self, walk: _Walk) -> list[Movement]:
        outside = beyond(walk.last.box, walk.last.speed, self._size, self._interval)
        return [*(() if outside is None else self._crossed(walk, _anchors(outside))), *self._left(walk)]

    def _crossed(self, walk: _Walk, points: Mapping[Anchor, Point]) -> Iterator[Movement]:
        """Go on to where these anchors are; the crossings."""
        for name, place in self._lines.items():
            if (crossing := _crossed(name, place, walk, points[place.anchor])) is not None:
                yield crossing

    def _left(self, walk: _Walk) -> list[Movement]:
        last = walk.last
        return [Left(z, last.id, last.class_name, last.seen_at, since) for z, since in walk.inside.items()]


def _anchors(box: Box) -> dict[Anchor, Point]:
    """The middle of the lower edge, where somebody stands, and of the box."""
    x1, y1, x2, y2 = box
    middle = (x1 + x2) / 2
    return {"foot": (middle, y2), "centre": (middle, (y1 + y2) / 2)}


def beyond(box: Box, speed: Point, size: tuple[int, int], within: float) -> Box | None:
    """The box outside of the picture, if it is there `within` so many seconds; below 0: if it was, ago."""
    x1, y1, x2, y2 = box
    wide, tall = x2 - x1, y2 - y1
    out_x, out_y = (((within > 0) - (within < 0)) * pace for pace in speed)
    edges = (  # how fast towards it, how far from it, and the way out
        (-out_x, x1 / size[0], x1, (-wide - max(x1, 0), 0.0)),
        (out_x, 1 - x2 / size[0], size[0] - x2, (wide + max(size[0] - x2, 0), 0.0)),
        (-out_y, y1 / size[1], y1, (0.0, -tall - max(y1, 0))),
        (out_y, 1 - y2 / size[1], size[1] - y2, (0.0, tall + max(size[1] - y2, 0))),
    )
    fast = MOVES * sqrt(wide * tall)
    found = [
        (pace, way)
        for pace, share, far, way in edges
        if pace > fast and (share <= EDGE or far <= pace * abs(within))
    ]
    if not found:
        return None
    dx, dy = max(found)[1]
    return x1 + dx, y1 + dy, x2 + dx, y2 + dy


def _crossed(name: str, place: LinePlace, walk: _Walk, point: Point) -> Crossing | None:
    """Go on to a point; the crossing, if it is clearly on the other side of the line now."""
    track, path = walk.last, walk.paths.setdefault(name, [])
    path.append(point)
    away = place.line.right_of(point)
    if abs(away) < CLEAR * (track.box[3] - track.box[1]):
        del path[1:-LONGEST_PATH]  # the first stays: where it was clearly
        return None
    side = 1 if away > 0 else -1
    before = walk.sides.get(name)
    walk.sides[name] = side
    walk.paths[name] = [point]
    if before in (None, side) or not _wanted(place.classes, track) or not place.line.is_cut(path):
        return None
    return Crossing(name, "in" if side > 0 else "out", track.id, track.class_name, track.seen_at)


def _stayed(name: str, place: ZonePlace, walk: _Walk, point: Point) -> list[Movement]:
    """Go on to a point: who comes into the zone, who leaves it, who went through between two frames."""
    track, box, before = walk.last, walk.last.box, walk.points.get(place.anchor)
    is_there, since = place.zone.holds(point), walk.inside.get(name)
    here = name, track.id, track.class_name, track.seen_at
    if since is None and _wanted(place.classes, track):
        if is_there:
            walk.inside[name] = track.seen_at
            return [Entered(*here)]
        if before is not None and place.zone.is_cut(before, point):
            return [Entered(*here), Left(*here, since=track.seen_at)]
    elif since is not None and not is_there and place.zone.depth(point) < -CLEAR * (box[3] - box[1]):
        del walk.inside[name]
        return [Left(*here, since=since)]
    return []


def _wanted(classes: Collection[str], track: Track) -> bool:
    return not classes or track.class_name in classes
