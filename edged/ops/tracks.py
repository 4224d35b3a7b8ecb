"""Objects followed over frames: which box of a frame is which object of the frames before.

A track is predicted with the speed that it had, and takes the box that lies nearest for its size and overlaps
best. Boxes of little score continue a track and begin none, as in ByteTrack (Zhang et al., ECCV 2022,
arXiv:2110.06864); overlap is that of widened boxes, so that it tells something also where an object moves on
by its own width from frame to frame (C-BIoU, Yang et al., WACV 2023, arXiv:2211.14317). All times are seconds
of `captured_at`, none is a number of frames: 2 to 10 frames a second give the same tracks.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import permutations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edged.ops.boxes import overlap

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

LOST_S = 2.0
"""A track ends when it was not seen for longer."""
SIGHTINGS = 2
"""So many make an object of what may be a flicker: it has no id before."""
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
EXACT = 5
"""Up to so many tracks and boxes near each other are matched as best they can be, more one by one."""


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
    box: tuple[float, float, float, float]
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
    first: tuple[float, float, float, float]
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
    alive = tracks.alive
    known = _Predicted.of(alive, at, at if tracks.at is None else tracks.at)
    rows = _matched(known, alive, seen, sure)
    spotted = [*zip(seen.boxes.tolist(), seen.scores.tolist(), seen.classes, strict=True)]
    kept: list[Track] = []
    ended: list[Track] = []
    ids: list[int | None] = [None] * len(seen)
    last_id = tracks.last_id
    for index, (track, predicted) in enumerate(zip(alive, known.each(), strict=True)):
        if (row := rows.get(index)) is not None:
            found = _updated(track, predicted, spotted[row], at)
            if not found.id and found.sightings >= SIGHTINGS:
                last_id += 1
                found = found._replace(id=last_id)
            ids[row] = found.id or None
            kept.append(found)
        elif track.id and at - track.seen_at <= LOST_S:
            kept.append(track)
        elif track.id:
            ended.append(track)
    taken = set(rows.values())
    free = (one for row, one in enumerate(spotted) if row not in taken)
    kept += [_born(one, at) for one in free if one[1] >= sure]
    return Step(Tracks(at, tuple(kept), last_id), ids, ended)


def cut(tracks: Tracks) -> Tracks:
    """Follow nothing any more, for what comes is another picture; ids go on."""
    return Tracks(None, (), tracks.last_id)


def held(tracks: Tracks, at: float) -> Tracks:
    """Until `at` the picture stood still and nobody looked: what was there is there."""
    late = 0.0 if tracks.at is None else max(0.0, at - tracks.at)
    alive = tuple(track._replace(seen_at=track.seen_at + late) for track in tracks.alive)
    return Tracks(at if tracks.at is None else tracks.at + late, alive, tracks.last_id)


@dataclass(frozen=True)
class _Predicted:
    """Where the tracks are thought to be, a row each."""

    centres: Floats
    sizes: Floats
    """Width and height."""
    scales: Floats
    """The size as one number: the side of a square of the same area."""
    doubt: Floats
    """[3, n]: as `Track.doubt`, at the time of the frame."""

    @staticmethod
    def of(alive: Sequence[Track], at: float, last_at: float) -> "_Predicted":
        """`last_at`: of the frame before."""
        boxes = np.array([track.box for track in alive], np.float64).reshape(-1, 4)
        speed = np.array([track.speed for track in alive], np.float64).reshape(-1, 2)
        passed = at - np.array([track.seen_at for track in alive], np.float64)
        place, both, rate = np.array([track.doubt for track in alive], np.float64).reshape(-1, 3).T
        unseen = np.maximum(passed - (at - last_at), 0)
        moved = np.minimum(passed, at - last_at) - SLOWS_S * np.expm1(-unseen / SLOWS_S)
        push = UNSURE_PUSH**2 * passed**2
        doubt = np.array(
            [
                place + passed * (2 * both + passed * rate) + push * passed**2 / 4,
                both + passed * rate + push * passed / 2,
                rate + push,
            ]
        )
        sizes = np.maximum(boxes[:, 2:] - boxes[:, :2], 1)
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2 + speed * moved[:, None]
        return _Predicted(centres, sizes, np.sqrt(sizes.prod(axis=1)), doubt)

    def each(self) -> Iterator["_One"]:
        """Of each track."""
        return zip(self.centres.tolist(), self.sizes.tolist(), self.doubt.T.tolist(), strict=True)


_One = tuple[list[float], list[float], list[float]]
"""Centre, size and doubt of one track."""
_Spotted = tuple[list[float], float, str]
"""Box, score and class of what was seen."""


_Costs = Mapping[tuple[int, int], float]
"""What speaks against a match, by track and box; of those that can be."""


def _matched(known: _Predicted, alive: Sequence[Track], seen: Seen, sure: float) -> dict[int, int]:
    """The row of each track that has one. Tracks with an id choose first, sure boxes before others."""
    if not alive or not len(seen):
        return {}
    costs = _costs(known, alive, seen, sure)
    is_sure = (seen.scores >= sure).tolist()
    rows: dict[int, int] = {}
    for named, good in ((True, True), (True, False), (False, True)):
        taken = set(rows.values())
        rows |= assigned(
            {
                (i, j): cost
                for (i, j), cost in costs.items()
                if (alive[i].id > 0) is named and is_sure[j] is good and i not in rows and j not in taken
            }
        )
    return rows


def _costs(known: _Predicted, alive: Sequence[Track], seen: Seen, sure: float) -> _Costs:
    sizes = np.maximum(seen.boxes[:, 2:] - seen.boxes[:, :2], 1)
    centres = (seen.boxes[:, :2] + seen.boxes[:, 2:]) / 2
    off = [known.centres[:, axis, None] - centres[:, axis] for axis in (0, 1)]
    apart = np.hypot(*off) / known.scales[:, None]
    is_sure = seen.scores >= sure
    # few are near each other: the rest is done with these pairs alone
    i, j = np.nonzero(apart <= np.where(is_sure, _reach(known, alive)[:, None], FARTHEST_UNSURE))
    growth = np.abs(np.log(known.sizes[i] / sizes[j])).max(axis=1, initial=0)
    shared = overlap(_widened(known.centres[i], known.sizes[i]), _widened(centres[j], sizes[j]))
    cost = apart[i, j] / 2 + 1 - shared + growth
    found = zip(i.tolist(), j.tolist(), cost.tolist(), growth.tolist(), is_sure[j].tolist(), strict=True)
    costs: dict[tuple[int, int], float] = {}
    for track, box, much, grown, good in found:
        is_other = alive[track].class_name != seen.classes[box]
        if grown <= GROWTH and (good or not is_other):
            costs[track, box] = much + OTHER_CLASS * is_other
    return costs


def _reach(known: _Predicted, alive: Sequence[Track]) -> Floats:
    """[tracks]: how far from where it is thought to be a sure box may be, in sizes."""
    farthest = [FARTHEST_SIZES if track.sightings > SIGHTINGS else FARTHEST_NEW for track in alive]
    return (FARTHEST * np.sqrt(known.doubt[0] + UNSURE_PLACE**2)).clip(NEAREST_SIZES, farthest)


def _widened(centres: Floats, sizes: Floats) -> Floats:
    half = sizes * (0.5 + WIDER)
    return np.concatenate([centres - half, centres + half], axis=1)


def assigned(costs: _Costs) -> dict[int, int]:
    """By row the column of its pair; each is in one pair at most.

    As many pairs as possible and of those the cheapest, where few rows and columns come in question for each
    other; in a crowd the cheapest pair first.
    """
    pairs: dict[int, int] = {}
    for rows, columns in _groups(costs):
        if len(rows) == len(columns) == 1:
            pairs[rows[0]] = columns[0]
        elif max(len(rows), len(columns)) <= EXACT:
            pairs |= _cheapest(costs, rows, columns)
        else:
            pairs |= _one_by_one(costs, set(rows))
    return pairs


def _groups(pairs: Iterable[tuple[int, int]]) -> Iterator[tuple[list[int], list[int]]]:
    """Rows and columns that are joined by possible pairs."""
    columns_of, rows_of = defaultdict[int, list[int]](list), defaultdict[int, list[int]](list)
    for row, column in pairs:
        columns_of[row].append(column)
        rows_of[column].append(row)
    while columns_of:
        rows, columns, joined = [], set[int](), [next(iter(columns_of))]
        while joined:
            if (row := joined.pop()) in columns_of:
                rows.append(row)
                for column in columns_of.pop(row):
                    columns.add(column)
                    joined += rows_of.pop(column, ())
        yield sorted(rows), sorted(columns)


def _cheapest(costs: _Costs, rows: list[int], columns: list[int]) -> dict[int, int]:
    size = max(len(rows), len(columns))
    square = np.full((size, size), 1e3)
    square[: len(rows), : len(columns)] = [[costs.get((i, j), 1e3) for j in columns] for i in rows]
    best = _orders(size)[square[np.arange(size), _orders(size)].sum(axis=1).argmin()].tolist()
    pairs = ((i, columns[k]) for i, k in zip(rows, best, strict=False) if k < len(columns))
    return {i: j for i, j in pairs if (i, j) in costs}


@lru_cache(maxsize=EXACT)
def _orders(size: int) -> Ints:
    """Every order of so many."""
    return np.array(list(permutations(range(size))), np.intp)


def _one_by_one(costs: _Costs, rows: Collection[int]) -> dict[int, int]:
    pairs: dict[int, int] = {}
    taken = set[int]()
    near = ((cost, i, j) for (i, j), cost in costs.items() if i in rows)
    for _, i, j in sorted(near):
        if i not in pairs and j not in taken:
            pairs[i] = j
            taken.add(j)
    return pairs


def _updated(track: Track, predicted: "_One", spotted: "_Spotted", at: float) -> Track:
    """A Kalman filter's step: place and speed, each axis alike, in sizes of the box."""
    (x, y), (width, height), (place, both, rate) = predicted
    trust = 1 / (place + UNSURE_PLACE**2)
    (left, top, right, bottom), score, name = spotted
    off_x, off_y = (left + right) / 2 - x, (top + bottom) / 2 - y
    x, y = x + place * trust * off_x, y + place * trust * off_y
    width += SIZE_FOLLOWS * (right - left - width)
    height += SIZE_FOLLOWS * (bottom - top - height)
    votes = {**track.votes, name: track.votes.get(name, 0.0) + score}
    return Track(
        track.id,
        (x - width / 2, y - height / 2, x + width / 2, y + height / 2),
        (track.speed[0] + both * trust * off_x, track.speed[1] + both * trust * off_y),
        track.born_at,
        at,
        track.sightings + 1,
        votes,
        max(votes, key=votes.__getitem__),
        track.first,
        (place * (1 - place * trust), both * (1 - place * trust), rate - both * both * trust),
    )


def _born(spotted: "_Spotted", at: float) -> Track:
    (left, top, right, bottom), score, name = spotted
    box = (left, top, right, bottom)
    return Track(0, box, (0.0, 0.0), at, at, 1, {name: score}, name, box)
