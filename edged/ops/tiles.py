"""Tiles: a large picture in overlapping pieces, and the pieces of the answer as one."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from edged.contracts.items import Pixels

Floats = NDArray[np.floating]
Tile = tuple[int, int, int, int]
"""Left, top, right, bottom, pixels."""


def tiles(height: int, width: int, side: int, overlap: int) -> Iterator[Tile]:
    """Tiles of `side` pixels, row by row, that cover a picture; neighbours share `overlap` pixels at least.

    All are of one size, as far as the picture is: they are spread evenly, and the last ones end at the edge.
    Raises `ValueError` when `overlap` is not smaller than `side`.
    """
    return _grid(height, width, (side, side), overlap)


def snug_tiles(height: int, width: int, side: int, overlap: int) -> Iterator[Tile]:
    """As many as `tiles` gives, each as small as so many can be: for what takes pictures of any size."""
    return _grid(height, width, (_snug(height, side, overlap), _snug(width, side, overlap)), overlap)


def _grid(height: int, width: int, sides: tuple[int, int], overlap: int) -> Iterator[Tile]:
    if not 0 <= overlap < min(sides):
        raise ValueError(f"tiles of {min(sides)} pixels cannot overlap by {overlap}")
    for top in _starts(height, sides[0], overlap):
        for left in _starts(width, sides[1], overlap):
            yield left, top, min(left + sides[1], width), min(top + sides[0], height)


def _snug(length: int, side: int, overlap: int) -> int:
    count = len(_starts(length, side, overlap))
    return side if count == 1 else -(-(length + (count - 1) * overlap) // count)


def _starts(length: int, side: int, overlap: int) -> list[int]:
    if length <= side:
        return [0]
    count = -(-(length - overlap) // (side - overlap))
    return [round(i * (length - side) / (count - 1)) for i in range(count)]


def whole(xyxy: Floats, tile: Tile, size: tuple[int, int], near: float) -> NDArray[np.bool_]:
    """Which boxes [n, 4] of x1, y1, x2, y2 (pixels of the picture) found in a tile are not cut by its edge.

    A box that ends within `near` pixels of an edge of the tile that is none of the picture's is cut: where
    tiles overlap by more than an object's size another tile has it whole. `size`: (height, width) of the
    picture.
    """
    left, top, right, bottom = tile
    cut = (
        ((xyxy[:, 0] < left + near) & (left > 0))
        | ((xyxy[:, 1] < top + near) & (top > 0))
        | ((xyxy[:, 2] > right - near) & (right < size[1]))
        | ((xyxy[:, 3] > bottom - near) & (bottom < size[0]))
    )
    return np.asarray(~cut)


class Stitch:
    """One large picture of enlarged tiles.

    Each tile gives what is farther than half the overlap from its inner edges: there its neighbours know the
    surroundings better. For a network whose field of view is smaller than half the overlap the seams cannot
    be told from the inside of a tile.
    """

    def __init__(self, height: int, width: int, factor: int) -> None:
        """`height`, `width`: of the picture before, pixels."""
        self.pixels: Pixels = np.empty((height * factor, width * factor, 3), np.uint8)
        self._size = height, width
        self.factor = factor
        """So many times as large."""

    def put(self, tile: Tile, enlarged: Pixels, overlap: int) -> None:
        """Lay an enlarged tile [factor times h, factor times w, 3] where it belongs."""
        left, top, right, bottom = tile
        half = overlap // 2
        inner = (
            left + (half if left else 0),
            top + (half if top else 0),
            right - (half if right < self._size[1] else 0),
            bottom - (half if bottom < self._size[0] else 0),
        )
        x1, y1, x2, y2 = (self.factor * edge for edge in inner)
        dx, dy = self.factor * left, self.factor * top
        self.pixels[y1:y2, x1:x2] = enlarged[y1 - dy : y2 - dy, x1 - dx : x2 - dx]


def stitched(
    picture: Pixels,
    enlarge: Callable[[Pixels], Pixels],
    *,
    side: int,
    overlap: int,
    factor: int,
    check: Callable[[], None],
) -> Pixels:
    """A picture [height, width, 3] at `factor` times its size, tile by tile.

    `enlarge` makes of a tile [h, w, 3] one of `factor` times its sides; `check` is called before each
    tile, and may raise to stop.
    """
    height, width, _ = picture.shape
    stitch = Stitch(height, width, factor)
    for tile in snug_tiles(height, width, side, overlap):
        check()
        left, top, right, bottom = tile
        stitch.put(tile, enlarge(np.ascontiguousarray(picture[top:bottom, left:right])), overlap)
    return stitch.pixels
