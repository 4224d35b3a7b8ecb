"""What an interactive segmenter is shown of one object: a crop around its box, clicks in it and beside it."""

from dataclasses import dataclass
from math import ceil, floor

import cv2
import numpy as np
from numpy.typing import NDArray

from edged import PartMask, Pixels
from edged.ops import masks

Floats = NDArray[np.floating]
Box = tuple[float, float, float, float]
"""Top, left, bottom, right, pixels of the picture."""


@dataclass(frozen=True, slots=True)
class Crop:
    """A part of the picture, in whole pixels of it, that is brought to the graph's canvas."""

    top: int
    left: int
    bottom: int
    right: int
    canvas: tuple[int, int]
    """(height, width), pixels."""

    @classmethod
    def around(
        cls, box: Box, size: tuple[int, int], canvas: tuple[int, int], expand: float, smallest: float
    ) -> "Crop":
        """The surroundings of a box, so many times as large, within a picture of `size` (height, width).

        `smallest`: its sides are not less, pixels, unless the picture ends there.
        """
        ends = []
        for near, far, length in ((box[0], box[2], size[0]), (box[1], box[3], size[1])):
            middle, half = (near + far) / 2, max((far - near) * expand, smallest) / 2
            ends.append((max(0, floor(middle - half)), min(length, ceil(middle + half))))
        (top, bottom), (left, right) = ends
        return cls(top, left, bottom, right, canvas)

    def cut(self, picture: Pixels) -> Pixels:
        """What the picture shows there, on the canvas."""
        part = picture[self.top : self.bottom, self.left : self.right]
        shrinks = part.shape[0] > self.canvas[0] or part.shape[1] > self.canvas[1]
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(part, self.canvas[::-1], interpolation=how), np.uint8)

    @property
    def scale(self) -> Floats:
        """Canvas pixels a picture pixel: along y and along x."""
        return np.array(self.canvas) / (self.bottom - self.top, self.right - self.left)

    def on_canvas(self, points: Floats) -> Floats:
        """Points [n, 2] as y, x of the picture in pixels of the canvas; some may lie outside of it."""
        return np.asarray((points - (self.top, self.left)) * self.scale)

    def mask(self, logits: Floats, box: Box, widen: float) -> "Patch":
        """Where a map of the canvas is over 0, in the picture's pixels, within the box widened by a share."""
        shape = self.bottom - self.top, self.right - self.left
        inside = masks.resized(logits[None], shape)[0] > 0
        more_y, more_x = widen * (box[2] - box[0]), widen * (box[3] - box[1])
        top, left = max(0, floor(box[0] - more_y) - self.top), max(0, floor(box[1] - more_x) - self.left)
        bottom, right = ceil(box[2] + more_y) - self.top, ceil(box[3] + more_x) - self.left
        return Patch(self.top + top, self.left + left, inside[top:bottom, left:right])


@dataclass(frozen=True, slots=True)
class Patch(PartMask):
    """A mask that knows what lies on it."""

    def holds(self, points: Floats) -> masks.Mask:
        """Which of the points [n, 2] (y, x of the picture) lie on the mask."""
        rows, columns = np.floor(points - (self.top, self.left)).astype(int).T
        height, width = self.inside.shape
        held = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        held[held] = self.inside[rows[held], columns[held]]
        return np.asarray(held, np.bool_)


def along(box: Box, share: float) -> Floats:
    """Three points [3, 2] on the longer axis of a box: its middle, and `share` of it to either side."""
    middle = np.array([box[0] + box[2], box[1] + box[3]]) / 2
    height, width = box[2] - box[0], box[3] - box[1]
    step = np.array([height, 0.0] if height >= width else [0.0, width]) * share
    return np.array([middle - step, middle, middle + step])


def spread(box: Box, share: float) -> Floats:
    """Nine points [9, 2]: the middle of a box, and `share` of its sides in all directions."""
    middle = np.array([box[0] + box[2], box[1] + box[3]]) / 2
    steps = np.array([(y, x) for y in (-share, 0, share) for x in (-share, 0, share)])
    return np.asarray(middle + steps * (box[2] - box[0], box[3] - box[1]))


def beside(box: Box, gap: Floats) -> Floats:
    """Four points [4, 2] outside of the middles of a box's sides; `gap`: how far along y and x, pixels."""
    y, x = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return np.array([(box[0] - gap[0], x), (box[2] + gap[0], x), (y, box[1] - gap[1]), (y, box[3] + gap[1])])


def disks(points: Floats, canvas: tuple[int, int], radius: float) -> NDArray[np.float32]:
    """A map of the canvas [height, width]: 1 within `radius` pixels of a point [n, 2] (y, x), else 0.

    A point that lies outside of the canvas makes none.
    """
    drawn = np.zeros(canvas, np.float32)
    within = points[((points >= 0) & (points < canvas)).all(axis=1)]
    rows, columns = np.arange(canvas[0])[:, None], np.arange(canvas[1])[None]
    for y, x in within:
        drawn[(rows - y) ** 2 + (columns - x) ** 2 <= radius**2] = 1
    return drawn
