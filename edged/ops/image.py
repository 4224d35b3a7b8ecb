"""Where a picture stands on the canvas of a model, and the way back."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edged.contracts.items import Fit, PixelFormat, Pixels


@dataclass(frozen=True, slots=True)
class Placement:
    """How a picture was brought to a model's canvas: all or the middle of it, to the top left corner."""

    scale_y: float
    """Canvas rows a picture row; the real one after rounding, so that the way back is exact."""
    scale_x: float
    """Canvas columns a picture column."""
    size: tuple[int, int]
    """(height, width) that the picture takes on the canvas, pixels; what remains is padding."""
    top: float = 0
    """Rows of the picture above the part that is shown."""
    left: float = 0
    """Columns of the picture to the left of the part that is shown."""

    @property
    def shown(self) -> tuple[int, int]:
        """(height, width) of the part that is shown, in whole pixels of the picture."""
        return round(self.size[0] / self.scale_y), round(self.size[1] / self.scale_x)

    def to_source(self, xyxy: NDArray[np.floating]) -> NDArray[np.float32]:
        """Boxes [n, 4] (x1, y1, x2, y2) from canvas pixels to picture pixels, clipped to what is shown."""
        width, height = self.size[1] / self.scale_x, self.size[0] / self.scale_y
        scale = np.array([self.scale_x, self.scale_y, self.scale_x, self.scale_y], np.float32)
        limit = np.array([width, height, width, height], np.float32)
        corner = np.array([self.left, self.top, self.left, self.top], np.float32)
        within = np.clip(np.asarray(xyxy, np.float32) / scale, np.float32(0), limit)
        return np.asarray(within + corner, np.float32)


def place(height: int, width: int, wanted: PixelFormat) -> Placement:
    """Where a picture of `height` x `width` pixels goes when it is asked for as `wanted`."""
    if wanted.size is None:
        return Placement(1.0, 1.0, (height, width))
    rows, columns = wanted.size
    if wanted.fit is Fit.CROP:
        return _middle(height, width, wanted.size, wanted.short_side)
    if wanted.fit is Fit.LETTERBOX:
        scale = min(rows / height, columns / width)
        rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    return Placement(rows / height, columns / width, (rows, columns))


def _middle(height: int, width: int, canvas: tuple[int, int], short_side: int | None) -> Placement:
    """As if the whole picture were scaled, to whole pixels, and the canvas then cut out of its middle."""
    rows, columns = canvas
    scale = short_side / min(height, width) if short_side else max(rows / height, columns / width)
    whole_rows, whole_columns = max(rows, round(height * scale)), max(columns, round(width * scale))
    scale_y, scale_x = whole_rows / height, whole_columns / width
    top, left = (whole_rows - rows) // 2, (whole_columns - columns) // 2
    return Placement(scale_y, scale_x, canvas, top / scale_y, left / scale_x)


def batch_of_one(pixels: Pixels) -> Pixels:
    """[1, height, width, channels], as a graph eats it, of a frame's pixels; gray has one channel."""
    height, width = pixels.shape[:2]
    return pixels.reshape(1, height, width, -1)


def pixels_of(planes: NDArray[np.floating]) -> Pixels:
    """Planes [3, height, width] of 0 to 1 as bytes [height, width, 3]; what lies beyond is clipped."""
    rounded = [cv2.addWeighted(plane, 255, plane, 0, 0, dtype=cv2.CV_8U) for plane in planes]
    return np.asarray(cv2.merge(rounded), np.uint8)
