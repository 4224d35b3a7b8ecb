"""Reads masks back from each of the forms in which they are published."""

from collections.abc import Sequence

import cv2
import numpy as np
import pybase64


def mask_of(counts: Sequence[int], size: Sequence[int]) -> np.ndarray:
    """The mask of `size` (height, width) with these runs; undoes `rle_counts`."""
    return map_of(counts, np.arange(len(counts)) % 2 == 1, size)


def map_of(counts: Sequence[int], values: Sequence[float], size: Sequence[int]) -> np.ndarray:
    """The map of `size` (height, width) with these runs; undoes `runs`.

    Raises `ValueError` when a count is negative, has no value, or they do not add up to the size.
    """
    return np.repeat(np.asarray(values), np.asarray(counts, np.int64)).reshape(tuple(size))


def mask_picture(text: str) -> np.ndarray:
    """The gray picture [height, width] of a mask that was encoded as PNG in Base64."""
    return cv2.imdecode(np.frombuffer(pybase64.b64decode(text), np.uint8), cv2.IMREAD_GRAYSCALE)
