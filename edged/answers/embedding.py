"""Vectors, as one model makes them for others: never published, so they can only be compared."""

from collections.abc import Sequence

import numpy as np

from edged.contracts.parts import Embedding


def agreement(reference: Sequence[Embedding], other: Sequence[Embedding]) -> float:
    """Mean cosine of the two vectors of an item; what points away counts nothing."""
    return float(np.mean([max(0.0, a.vector @ b.vector) for a, b in zip(reference, other, strict=True)]))
