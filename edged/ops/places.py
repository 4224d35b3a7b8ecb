"""Lines and zones in a picture, and what of a walked path they tell. Points are [x, y] in pixels, y down."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import hypot

import numpy as np

Point = tuple[float, float]
Box = tuple[float, float, float, float]
"""x1, y1, x2, y2."""


@dataclass(frozen=True)
class Line:
    """Seen on the screen, looking from the first end to the second, its left hand and its right."""

    begin: Point
    end: Point

    def right_of(self, point: Point) -> float:
        """Pixels by which a point lies to the right, below 0 to the left, of the line without its ends."""
        (x1, y1), (x2, y2), (x, y) = self.begin, self.end, point
        return ((x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)) / self._length

    def is_cut(self, path: Sequence[Point]) -> bool:
        """Whether a path goes through between its ends."""
        return any(_cut(a, b, self.begin, self.end) for a, b in pairwise(path))

    @cached_property
    def _length(self) -> float:
        return hypot(self.end[0] - self.begin[0], self.end[1] - self.begin[1])


@dataclass(frozen=True, eq=False)
class Zone:
    """A polygon that does not cross itself."""

    corners: Sequence[Point]

    def depth(self, point: Point) -> float:
        """Pixels from a point to the border; below 0: it lies outside."""
        far = min(_apart(point, a, b) for a, b in self._sides)
        return far if self._surrounds(point) else -far

    def holds(self, point: Point) -> bool:
        """Whether a point lies in it, or on its border: its depth is not below 0."""
        (left, top, right, bottom), (x, y) = self._bounds, point
        if not (left <= x <= right and top <= y <= bottom):
            return False
        return self._surrounds(point) or self.depth(point) == 0

    def is_cut(self, a: Point, b: Point) -> bool:
        """Whether the way from a to b goes through its border."""
        left, top, right, bottom = self._bounds
        if max(a[0], b[0]) < left or min(a[0], b[0]) > right:
            return False
        if max(a[1], b[1]) < top or min(a[1], b[1]) > bottom:
            return False
        return any(_cut(a, b, begin, end) for begin, end in self._sides)

    def _surrounds(self, point: Point) -> bool:
        return sum(_meets(point, a, b) for a, b in self._sides) % 2 == 1

    @cached_property
    def _sides(self) -> list[tuple[Point, Point]]:
        return _sides(self.corners)

    @cached_property
    def _bounds(self) -> Box:
        xs, ys = zip(*self.corners, strict=True)
        return min(xs), min(ys), max(xs), max(ys)


def crosses_itself(corners: Sequence[Point]) -> bool:
    """Whether two sides of a polygon that are no neighbours meet."""
    sides = _sides(corners)
    return any(
        _cut(*sides[i], *sides[j])
        for i in range(len(sides))
        for j in range(i + 2, len(sides))
        if (i, j) != (0, len(sides) - 1)
    )


def area(corners: Sequence[Point]) -> float:
    """Of a polygon, in the unit of its points squared."""
    a = np.array(corners, np.float64)
    b = np.roll(a, -1, axis=0)
    return abs(float((a[:, 0] * b[:, 1] - b[:, 0] * a[:, 1]).sum())) / 2


def _sides(corners: Sequence[Point]) -> list[tuple[Point, Point]]:
    return list(zip(corners, [*corners[1:], corners[0]], strict=True))


def _cut(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether two pieces of straight lines meet; one that ends on the other does."""
    sides = (_turn(a, b, c), _turn(a, b, d), _turn(c, d, a), _turn(c, d, b))
    if sides[0] * sides[1] < 0 and sides[2] * sides[3] < 0:
        return True
    ends = zip(sides, (c, d, a, b), ((a, b), (a, b), (c, d), (c, d)), strict=True)
    return any(side == 0 and _between(point, *piece) for side, point, piece in ends)


def _between(point: Point, a: Point, b: Point) -> bool:
    """Of a point on the straight line through a and b: whether it lies between them."""
    return all(min(a[k], b[k]) <= point[k] <= max(a[k], b[k]) for k in (0, 1))


def _turn(a: Point, b: Point, c: Point) -> float:
    """Above 0 where the way from a by b to c turns to the right, on a screen."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _apart(p: Point, a: Point, b: Point) -> float:
    """From a point to a side. In plain numbers: a zone has few corners, and arrays of them take longer."""
    x, y = b[0] - a[0], b[1] - a[1]
    share = ((p[0] - a[0]) * x + (p[1] - a[1]) * y) / max(x * x + y * y, 1e-12)
    share = min(max(share, 0.0), 1.0)
    return hypot(p[0] - a[0] - share * x, p[1] - a[1] - share * y)


def _meets(p: Point, a: Point, b: Point) -> bool:
    """Whether a ray from a point to the right meets a side."""
    if (a[1] > p[1]) == (b[1] > p[1]):
        return False
    return p[0] < a[0] + (p[1] - a[1]) / (b[1] - a[1]) * (b[0] - a[0])
