"""Objects followed over frames: which box of a frame is which object of the frames before.

A track is predicted with the speed that it had, and takes the box that lies nearest for its size and overlaps
best. Boxes of little score continue a track and begin none, as in ByteTrack (Zhang et al., ECCV 2022,
arXiv:2110.06864); overlap is that of widened boxes, so that it tells something also where an object moves on
by its own width from frame to frame (C-BIoU, Yang et al., WACV 2023, arXiv:2211.14317). All times are seconds
of `captured_at`, none is a number of frames: 2 to 10 frames a second give the same tracks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import expm1, hypot, log, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edged.ops.assignment import Costs, assigned
from edged.ops.places import Box

Floats = NDArray[np.float64]

LOST_S = 2.0
"""A track ends when it was not seen for longer."""
SIGHTINGS = 2
"""So many make an object of what may be a flicker: it has no id before. One look between them may miss it."""
WIDER = 0.5
"""Boxes are widened by so much of their size on every side before they are laid over each other."""
UNSURE_PLACE, UNSURE_SPEED, UNSURE_PUSH = 0.08, 1.2, 0.35
"""Standard deviations in sizes of the box: of a seen place; of the speed of what was seen once, a second; of
how the speed changes within a second."""
SLOWS_S = 3.0
"""What is out of sight is thought to slow down with this time constant: it may stand behind something."""
FARTHEST, NEAREST_SIZES, FARTHEST_SIZES, FARTHEST_NEW = 3.5, 0.5, 1.1, 2.0
"""Between a predicted place and a box that is still the same object: in standard deviations, but in sizes of
the box not less than the second and not more than the third, or the fourth where its speed is not known."""
FARTHEST_UNSURE = 0.35
"""The same of a box of little score, in sizes: where somebody was, a table looks a little like a person.
One of another class is no match at all: the wall that a detector takes for a laptop would be that person."""
GROWTH = 1.1
"""As a logarithm: of one object no box is larger or smaller by more, in width or height."""
OTHER_CLASS = 0.5
"""What another class adds to the cost of a match, which is 0 to 2: detectors waver between car and truck."""
SIZE_FOLLOWS = 0.4
"""Share of a new box in the size of a track."""


@dataclass(frozen=True, eq=False)
class Seen:
    """What a detector saw in one frame."""

    boxes: Floats
    """[n, 4]: x1, y1, x2, y2 in pixels."""
    scores: Floats
    """[n], 0 to 1."""
    classes: Sequence[str]
    """[n]: names."""

    def __len__(self) -> int:
        return len(self.scores)


class Track(NamedTuple):
    """One object, as it was seen last."""

    id: int
    """From 1, never used again; 0: seen too seldom to have one."""
    box: Box
    """x1, y1, x2, y2 in pixels."""
    speed: tuple[float, float]
    """Pixels a second, of the centre."""
    born_at: float
    seen_at: float
    sightings: int
    votes: Mapping[str, float]
    """Sum of the scores by class."""
    class_name: str
    """The class with the most votes."""
    first: Box
    """Where it was seen first."""
    doubt: tuple[float, float, float] = (UNSURE_PLACE**2, 0.0, UNSURE_SPEED**2)
    """Variance of the place, covariance with the speed, and variance of the speed, in sizes of the box."""


@dataclass(frozen=True)
class Tracks:
    """What is followed at one time. A value: `follow` makes the next one of it."""

    at: float | None = None
    """When it was looked last; none: never."""
    alive: tuple[Track, ...] = ()
    last_id: int = 0
    """The highest id that was given; the next one is higher by one."""


@dataclass(frozen=True)
class Step:
    """What one frame changes."""

    tracks: Tracks
    ids: list[int | None]
    """Of each row that was seen the id of its track; none: it has none yet, or too little score."""
    ended: list[Track] = field(default_factory=list)
    """Tracks with an id that are given up."""
    is_cut: bool = False
    """Whether nothing was seen for so long before that all tracks have ended, wherever they went."""


def follow(tracks: Tracks, seen: Seen, at: float, sure: float) -> Step:
    """The next frame. `at`: when it was captured, not before the last one; `sure`: a score from which a box
    may begin a track.

    Of a longer time than `LOST_S` without a frame nothing is known: all tracks end, as they do by `cut`.
    """
    if tracks.at is not None and not 0 <= at - tracks.at <= LOST_S:
        before, tracks = tracks, cut(tracks)
        step = follow(tracks, seen, at, sure)
        return Step(step.tracks, step.ids, [track for track in before.alive if track.id], is_cut=True)
    last_at = at if tracks.at is None else tracks.at
    known = [_predicted(track, at, last_at) for track in tracks.alive]
    spots = [*map(_Spot.of, seen.boxes.tolist(), seen.scores.tolist(), seen.classes)]
    rows = _matched(known, spots, sure)
    kept: list[Track] = []
    ended: list[Track] = []
    ids: list[int | None] = [None] * len(spots)
    last_id = tracks.last_id
    for index, track in enumerate(tracks.alive):
        if (row := rows.get(index)) is not None:
            found = _updated(known[index], spots[row], at)
            if not found.id and found.sightings >= SIGHTINGS:
                last_id += 1
                found = found._replace(id=last_id)
            ids[row] = found.id or None
            kept.append(found)
        elif track.seen_at == last_at or (track.id and at - track.seen_at <= LOST_S):
            kept.append(track)
        elif track.id:
            ended.append(track)
    taken = set(rows.values())
    free = (spot for row, spot in enumerate(spots) if row not in taken)
    kept += [_born(spot, at) for spot in free if spot.score >= sure]
    return Step(Tracks(at, tuple(kept), last_id), ids, ended)


def cut(tracks: Tracks) -> Tracks:
    """Follow nothing any more, for what comes is another picture; ids go on."""
    return Tracks(None, (), tracks.last_id)


def held(tracks: Tracks, at: float) -> Tracks:
    """Until `at` the picture stood still and nobody looked: what was there is there."""
    late = 0.0 if tracks.at is None else max(0.0, at - tracks.at)
    alive = tuple(track._replace(seen_at=track.seen_at + late) for track in tracks.alive)
    return Tracks(at if tracks.at is None else tracks.at + late, alive, tracks.last_id)


class _Spot(NamedTuple):
    """One box of a frame."""

    x: float
    """Of its centre."""
    y: float
    wide: float
    tall: float
    score: float
    class_name: str
    box: Box

    @staticmethod
    def of(box: Sequence[float], score: float, class_name: str) -> "_Spot":
        x1, y1, x2, y2 = box
        return _Spot((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, score, class_name, (x1, y1, x2, y2))


class _Predicted(NamedTuple):
    """Where a track is thought to be."""

    track: Track
    x: float
    """Of its centre."""
    y: float
    wide: float
    tall: float
    scale: float
    """The size as one number: the side of a square of the same area."""
    doubt: tuple[float, float, float]
    """As `Track.doubt`, at the time of the frame."""
    reach: float
    """How far from there a sure box may be, in sizes."""


def _predicted(track: Track, at: float, last_at: float) -> _Predicted:
    """`last_at`: of the frame before."""
    x1, y1, x2, y2 = track.box
    place, both, rate = track.doubt
    passed = at - track.seen_at
    in_sight = min(passed, at - last_at)
    moved = in_sight - SLOWS_S * expm1((in_sight - passed) / SLOWS_S)
    push = UNSURE_PUSH**2 * passed**2
    place += passed * (2 * both + passed * rate) + push * passed**2 / 4
    wide, tall = max(x2 - x1, 1.0), max(y2 - y1, 1.0)
    farthest = FARTHEST_SIZES if track.sightings > SIGHTINGS else FARTHEST_NEW
    return _Predicted(
        track,
        (x1 + x2) / 2 + track.speed[0] * moved,
        (y1 + y2) / 2 + track.speed[1] * moved,
        wide,
        tall,
        sqrt(wide * tall),
        (place, both + passed * rate + push * passed / 2, rate + push),
        min(max(FARTHEST * sqrt(place + UNSURE_PLACE**2), NEAREST_SIZES), farthest),
    )


def _matched(known: Sequence[_Predicted], spots: Sequence[_Spot], sure: float) -> dict[int, int]:
    """The row of each track that has one. Tracks with an id choose first, sure boxes before others."""
    costs = _costs(known, spots, sure)
    rows: dict[int, int] = {}
    for named, good in ((True, True), (True, False), (False, True)):
        taken = set(rows.values())
        rows |= assigned(
            {
                (i, j): cost
                for (i, j), cost in costs.items()
                if (known[i].track.id > 0) is named
                and (spots[j].score >= sure) is good
                and i not in rows
                and j not in taken
            }
        )
    return rows


def _costs(known: Sequence[_Predicted], spots: Sequence[_Spot], sure: float) -> Costs:
    """By track and box."""
    if not known or not spots:
        return {}
    there = np.array([(one.x, one.y, one.reach * one.scale, FARTHEST_UNSURE * one.scale) for one in known])
    x, y, sure_reach, unsure_reach = there.T[:, :, None]
    spot_x, spot_y, score = np.array([(spot.x, spot.y, spot.score) for spot in spots]).T
    reach = np.where(score >= sure, sure_reach, unsure_reach)
    near = np.argwhere((x - spot_x) ** 2 + (y - spot_y) ** 2 <= reach**2)  # few: the rest is for these alone
    found = {(i, j): _cost(known[i], spots[j], sure) for i, j in near.tolist()}
    return {pair: cost for pair, cost in found.items() if cost is not None}


def _cost(known: _Predicted, spot: _Spot, sure: float) -> float | None:
    """None: they cannot be one object, near as they are."""
    wide, tall = max(spot.wide, 1.0), max(spot.tall, 1.0)
    growth = max(abs(log(known.wide / wide)), abs(log(known.tall / tall)))
    is_other = spot.class_name != known.track.class_name
    if growth > GROWTH or (is_other and spot.score < sure):
        return None
    x, y = abs(known.x - spot.x), abs(known.y - spot.y)
    shared = _shared(x, known.wide, wide) * _shared(y, known.tall, tall)
    both = (1 + 2 * WIDER) ** 2 * (known.wide * known.tall + wide * tall) - shared
    return hypot(x, y) / known.scale / 2 + 1 - shared / both + growth + OTHER_CLASS * is_other


def _shared(apart: float, one: float, other: float) -> float:
    """Of two lengths, widened, whose middles are so far apart: what they have in common."""
    half, other_half = one * (0.5 + WIDER), other * (0.5 + WIDER)
    return max(min(half, apart + other_half) - max(-half, apart - other_half), 0.0)


def _updated(known: _Predicted, spot: _Spot, at: float) -> Track:
    """A Kalman filter's step: place and speed, each axis alike, in sizes of the box."""
    track, (place, both, rate) = known.track, known.doubt
    trust = 1 / (place + UNSURE_PLACE**2)
    off_x, off_y = spot.x - known.x, spot.y - known.y
    x, y = known.x + place * trust * off_x, known.y + place * trust * off_y
    wide = known.wide + SIZE_FOLLOWS * (spot.wide - known.wide)
    tall = known.tall + SIZE_FOLLOWS * (spot.tall - known.tall)
    votes = {**track.votes, spot.class_name: track.votes.get(spot.class_name, 0.0) + spot.score}
    return Track(
        track.id,
        (x - wide / 2, y - tall / 2, x + wide / 2, y + tall / 2),
        (track.speed[0] + both * trust * off_x, track.speed[1] + both * trust * off_y),
        track.born_at,
        at,
        track.sightings + 1,
        votes,
        max(votes, key=votes.__getitem__),
        track.first,
        (place * (1 - place * trust), both * (1 - place * trust), rate - both * both * trust),
    )


def _born(spot: _Spot, at: float) -> Track:
    name = spot.class_name
    return Track(0, spot.box, (0.0, 0.0), at, at, 1, {name: spot.score}, name, spot.box)
