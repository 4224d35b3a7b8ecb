"""What is wrong with a picture: noise, and the blocks of JPEG."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edged import Pixels

_KERNEL = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
"""Answers to noise and hardly to edges: Immerkaer, https://doi.org/10.1006/cviu.1996.0060."""
_OF_KERNEL = 6.0
"""Standard deviation that it makes of noise of 1."""
_OF_MEDIAN = 0.6745
"""Median of the absolute values of noise of 1."""
_OF_COLOURS = 1.5
"""Noise of 1 in each of three colours is less in their gray; *measured*."""
_BLOCK = 8


@dataclass(frozen=True, slots=True)
class Damage:
    """How much of it."""

    noise: float
    """Estimated standard deviation, 0 to 255; near 0 for what is soft."""
    blocks: float
    """How much more a picture changes at one column and row in eight than at the others; 1 is not at all."""


def damage_of(picture: Pixels) -> Damage:
    """Of a picture [height, width, 3] of some 20 pixels and more; of a smaller one no blocks are seen."""
    gray = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32)
    answers = np.abs(cv2.filter2D(gray, -1, _KERNEL))
    noise = float(np.median(answers)) / _OF_MEDIAN / _OF_KERNEL * _OF_COLOURS
    return Damage(noise, min(_blockiness(gray), _blockiness(gray.T)))


def _blockiness(gray: NDArray[np.float32]) -> float:
    """Along the columns, wherever the blocks begin."""
    if gray.shape[1] < 2 * _BLOCK + 3:
        return 1.0
    jumps = np.abs(gray[:, 3:] - 3 * gray[:, 2:-1] + 3 * gray[:, 1:-2] - gray[:, :-3]).mean(axis=0)
    each = np.array([jumps[start::_BLOCK].mean() for start in range(_BLOCK)])
    return float(each.max() / max(float(np.median(each)), 1e-3))
