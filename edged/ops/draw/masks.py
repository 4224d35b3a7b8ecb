"""Maps and masks in colour."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edged.contracts.items import Pixels
from edged.ops.draw.pen import Colour

_TINT = 0.5  # of a pixel that is inside


def tint(canvas: Pixels, inside: NDArray[np.bool_], colour: Colour) -> None:
    """Lay a colour over the pixels that are inside [height, width]."""
    canvas[inside] = (canvas[inside] * (1 - _TINT) + np.array(colour) * _TINT).astype(np.uint8)


def fitted(numbers: NDArray[Any], canvas: Pixels) -> NDArray[np.uint8]:
    """A map of any size [h, w] of numbers up to 255 in that of the canvas, to the nearest."""
    size = canvas.shape[1], canvas.shape[0]
    return np.asarray(cv2.resize(numbers.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST))
