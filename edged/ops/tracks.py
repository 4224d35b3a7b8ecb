"""Objects followed over frames: which box of a frame is which object of the frames before.

A track is predicted with the speed that it had, and takes the box that lies nearest for its size and overlaps
best. Boxes of little score continue a track and begin none, as in ByteTrack (Zhang et al., ECCV 2022,
arXiv:2110.06864); overlap is that of widened boxes, so that it tells something also where an object moves on
by its own width from frame to frame (C-BIoU, Yang et al., WACV 2023, arXiv:2211.14317). All times are seconds
of `captured_at`, none is a number of frames: 2 to 10 frames a second give the same tracks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from edged.ops.boxes import iou

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


@dataclass(frozen=True, slots=True)
class Track:
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
    first: tuple[float, float, float, float]
    """Where it was seen first."""
    doubt: tuple[float, float, float] = (UNSURE_PLACE**2, 0.0, UNSURE_SPEED**2)
    """Variance of the place, covariance with the speed, and variance of the speed, in sizes of the box."""

    @property
    def class_name(self) -> str:
        """The class with the most votes."""
        return max(self.votes, key=self.votes.__getitem__)


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
    kept: list[Track] = []
    ended: list[Track] = []
    ids: list[int | None] = [None] * len(seen)
    last_id = tracks.last_id
    for index, track in enumerate(alive):
        if (row := rows.get(index)) is not None:
            found = _updated(track, known.of_track(index), seen, row, at)
            if not found.id and found.sightings >= SIGHTINGS:
                last_id += 1
                found = replace(found, id=last_id)
            ids[row] = found.id or None
            kept.append(found)
        elif track.id and at - track.seen_at <= LOST_S:
            kept.append(track)
        elif track.id:
            ended.append(track)
    taken = set(rows.values())
    born = (row for row in range(len(seen)) if row not in taken and seen.scores[row] >= sure)
    kept += [_born(seen, row, at) for row in born]
    return Step(Tracks(at, tuple(kept), last_id), ids, ended)


def cut(tracks: Tracks) -> Tracks:
    """Follow nothing any more, for what comes is another picture; ids go on."""
    return Tracks(None, (), tracks.last_id)


def held(tracks: Tracks, at: float) -> Tracks:
    """Until `at` the picture stood still and nobody looked: what was there is there."""
    late = 0.0 if tracks.at is None else max(0.0, at - tracks.at)
    alive = tuple(replace(track, seen_at=track.seen_at + late) for track in tracks.alive)
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

    def of_track(self, index: int) -> "_One":
        """Of one track."""
        return self.centres[index].tolist(), self.sizes[index].tolist(), self.doubt[:, index].tolist()


_One = tuple[list[float], list[float], list[float]]
"""Centre, size and doubt of one track."""


def _matched(known: _Predicted, alive: Sequence[Track], seen: Seen, sure: float) -> dict[int, int]:
    """The row of each track that has one. Tracks with an id choose first, sure boxes before others."""
    if not alive or not len(seen):
        return {}
    costs = _costs(known, alive, seen, sure)
    has_id, is_sure = [track.id > 0 for track in alive], (seen.scores >= sure).tolist()
    rows: dict[int, int] = {}
    for named, good in ((True, True), (True, False), (False, True)):
        free = [i for i in range(len(alive)) if has_id[i] is named and i not in rows]
        taken = set(rows.values())
        wanted = [j for j in range(len(seen)) if is_sure[j] is good and j not in taken]
        if free and wanted:
            pairs = assigned(costs[np.ix_(free, wanted)])
            rows |= {free[i]: wanted[j] for i, j in pairs}
    return rows


def _costs(known: _Predicted, alive: Sequence[Track], seen: Seen, sure: float) -> Floats:
    """[tracks, boxes]: what speaks against a match; infinite where it cannot be."""
    sizes = np.maximum(seen.boxes[:, 2:] - seen.boxes[:, :2], 1)
    centres = (seen.boxes[:, :2] + seen.boxes[:, 2:]) / 2
    apart = np.linalg.norm(known.centres[:, None] - centres[None], axis=2) / known.scales[:, None]
    growth = np.abs(np.log(known.sizes)[:, None] - np.log(sizes)[None]).max(axis=2)
    overlap = iou(_widened(known.centres, known.sizes), _widened(centres, sizes))
    names = np.array([track.class_name for track in alive])[:, None] != np.array(seen.classes)[None]
    costs: Floats = apart / 2 + 1 - overlap + growth + OTHER_CLASS * names
    sizes_off = [FARTHEST_SIZES if track.sightings > SIGHTINGS else FARTHEST_NEW for track in alive]
    reach = (FARTHEST * np.sqrt(known.doubt[0] + UNSURE_PLACE**2)).clip(NEAREST_SIZES, sizes_off)
    is_sure = seen.scores >= sure
    reaches = np.where(is_sure, reach[:, None], FARTHEST_UNSURE)
    costs[(apart > reaches) | (growth > GROWTH) | (names & ~is_sure)] = np.inf
    return costs


def _widened(centres: Floats, sizes: Floats) -> Floats:
    half = sizes * (0.5 + WIDER)
    return np.concatenate([centres - half, centres + half], axis=1)


def assigned(costs: Floats) -> list[tuple[int, int]]:
    """Pairs of row and column, each in one pair at most, none where the cost is infinite.

    As many pairs as possible and of those the cheapest, where few rows and columns come in question for each
    other; in a crowd the cheapest pair first.
    """
    possible = np.isfinite(costs)
    alone = possible & (possible.sum(axis=1, keepdims=True) == 1) & (possible.sum(axis=0) == 1)
    pairs = [(i, j) for i, j in np.argwhere(alone).tolist()]
    for rows, columns in _groups(possible & ~alone):
        if max(len(rows), len(columns)) <= EXACT:
            pairs += _cheapest(costs, rows, columns)
        else:
            pairs += _one_by_one(costs, rows, columns)
    return pairs


def _groups(possible: NDArray[np.bool_]) -> list[tuple[list[int], list[int]]]:
    """Rows and columns that are joined by possible pairs."""
    columns_of = {i: set(np.flatnonzero(row).tolist()) for i, row in enumerate(possible) if row.any()}
    groups: list[tuple[set[int], set[int]]] = []
    for row, columns in columns_of.items():
        joined = [group for group in groups if group[1] & columns]
        groups = [group for group in groups if not group[1] & columns]
        rows = set[int]().union({row}, *(group[0] for group in joined))
        groups.append((rows, columns.union(*(group[1] for group in joined))))
    return [(sorted(rows), sorted(columns)) for rows, columns in groups]


def _cheapest(costs: Floats, rows: list[int], columns: list[int]) -> list[tuple[int, int]]:
    size = max(len(rows), len(columns))
    square = np.full((size, size), 1e3)
    square[: len(rows), : len(columns)] = np.minimum(costs[np.ix_(rows, columns)], 1e3)
    best = _orders(size)[square[np.arange(size), _orders(size)].sum(axis=1).argmin()]
    pairs = zip(rows, best[: len(rows)].tolist(), strict=True)
    return [(i, columns[j]) for i, j in pairs if j < len(columns) and np.isfinite(costs[i, columns[j]])]


@lru_cache(maxsize=EXACT)
def _orders(size: int) -> Ints:
    """Every order of so many."""
    return np.array(list(permutations(range(size))), np.intp)


def _one_by_one(costs: Floats, rows: list[int], columns: list[int]) -> list[tuple[int, int]]:
    near = costs[np.ix_(rows, columns)]
    pairs, free = [], (set(rows), set(columns))
    for flat in np.argsort(near, axis=None)[: np.count_nonzero(np.isfinite(near))].tolist():
        i, j = rows[flat // len(columns)], columns[flat % len(columns)]
        if i in free[0] and j in free[1]:
            free[0].remove(i)
            free[1].remove(j)
            pairs.append((i, j))
    return pairs


def _updated(track: Track, predicted: "_One", seen: Seen, row: int, at: float) -> Track:
    """A Kalman filter's step: place and speed, each axis alike, in sizes of the box."""
    (x, y), (width, height), (place, both, rate) = predicted
    trust = 1 / (place + UNSURE_PLACE**2)
    left, top, right, bottom = seen.boxes[row].tolist()
    off_x, off_y = (left + right) / 2 - x, (top + bottom) / 2 - y
    x, y = x + place * trust * off_x, y + place * trust * off_y
    width += SIZE_FOLLOWS * (right - left - width)
    height += SIZE_FOLLOWS * (bottom - top - height)
    name = seen.classes[row]
    return Track(
        track.id,
        (x - width / 2, y - height / 2, x + width / 2, y + height / 2),
        (track.speed[0] + both * trust * off_x, track.speed[1] + both * trust * off_y),
        track.born_at,
        at,
        track.sightings + 1,
        {**track.votes, name: track.votes.get(name, 0.0) + float(seen.scores[row])},
        track.first,
        (place * (1 - place * trust), both * (1 - place * trust), rate - both * both * trust),
    )


def _born(seen: Seen, row: int, at: float) -> Track:
    left, top, right, bottom = seen.boxes[row].tolist()
    votes = {seen.classes[row]: float(seen.scores[row])}
    box = (left, top, right, bottom)
    return Track(0, box, (0.0, 0.0), at, at, 1, votes, box)
