"""Feature vectors: of length 1, compared, and what a cosine means on a scale of 0 to 100."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edged.contracts.errors import InferenceError

Floats = NDArray[np.floating]

BORDER = 80.0
"""On the scale, under it two things are different."""


def unit(vector: Floats) -> NDArray[np.float32]:
    """[..., d] with length 1 along the last axis, f32. Raises `InferenceError` when it has no direction."""
    wide = np.asarray(vector, np.float64)
    length = np.linalg.norm(wide, axis=-1, keepdims=True)
    if not (np.isfinite(length).all() and (length > 0).all()):
        raise InferenceError("the model gives a feature vector without direction")
    return np.asarray(wide / length, np.float32)


def cosine(a: Floats, b: Floats) -> float:
    """Cosine between two vectors [d] of length 1, -1 to 1; 1 for equal ones."""
    if np.array_equal(a, b):
        return 1.0  # and not what rounding makes of it
    return float(np.clip(np.dot(np.asarray(a, np.float64), b), -1, 1))


def l2(a: Floats, b: Floats) -> float:
    """Euclidean distance of two vectors [d] of length 1, 0 (equal) to 2 (opposite)."""
    return float(np.linalg.norm(np.asarray(a, np.float64) - b))


def nearest(queries: Floats, known: Floats) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """For each of the vectors [n, d] of length 1 the nearest of [m, d], m > 0: its index [n], its distance
    [n]."""
    queries, known = np.asarray(queries, np.float32), np.asarray(known, np.float32)
    best = (queries @ known.T).argmax(axis=1)
    # Not from the cosine: near 1 it has too few digits left to tell a small distance from none.
    return best, np.linalg.norm(queries - known[best], axis=1)


class Scale:
    """A cosine as a number from 0 to 100, where `BORDER` divides the same from different things.

    Straight between given points, which a script has fitted to pairs of pictures, and level beyond them.
    """

    def __init__(self, points: Sequence[Sequence[float]]) -> None:
        """`points`: pairs of cosine and score, both rising. Raises `ValueError` otherwise."""
        self._cosines = [float(c) for c, _ in points]
        self._scores = [float(s) for _, s in points]
        rising = all(a < b for row in (self._cosines, self._scores) for a, b in pairwise(row))
        if len(points) < 2 or not rising or self._scores[0] < 0 or self._scores[-1] > 100:
            raise ValueError(
                "a scale wants at least two points of cosine and score, both rising, within 0 to 100"
            )

    def score(self, cosine: float) -> float:
        """0 to 100."""
        return float(np.interp(cosine, self._cosines, self._scores))


def fit_border(same: Floats, different: Floats) -> float:
    """The cosine that best divides pairs of the same from pairs of different things.

    `same` [n], `different` [m]: cosines of the pairs. The share of errors, each kind counted alike, is
    smallest there; it is the middle of the widest gap between two cosines in which that holds.
    Raises `ValueError` when a kind has no pair.
    """
    if not (len(same) and len(different)):
        raise ValueError("a border wants pairs of the same and pairs of different things")
    values = np.unique(np.concatenate([same, different])).astype(np.float64)
    edges = np.concatenate([[values[0] - 1], values, [values[-1] + 1]])
    candidates = (edges[:-1] + edges[1:]) / 2
    errors = np.array([np.mean(same < c) + np.mean(different >= c) for c in candidates])
    best = np.flatnonzero(errors <= errors.min() + 1e-12)
    return float(candidates[best[np.diff(edges)[best].argmax()]])
