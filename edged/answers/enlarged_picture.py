"""Pictures that one model made larger for others: never published, so they can only be compared."""

from collections.abc import Sequence

import numpy as np

from edged.contracts.parts import Enlarged

ALIKE_DB = 50.0
"""PSNR from which on nothing is lost: the rounding to bytes alone is 59 dB away from what was computed."""


def agreement(reference: Sequence[Enlarged], other: Sequence[Enlarged]) -> float:
    """PSNR over all pixels of all items, in units of `ALIKE_DB`, 1 at the most: .9 is 45 dB."""
    pairs = [(a.pixels, b.pixels) for a, b in zip(reference, other, strict=True)]
    error = sum(float(np.sum((a.astype(np.float32) - b) ** 2)) for a, b in pairs)
    mean = error / sum(a.size for a, _ in pairs)
    return float(np.clip(10 * np.log10(255**2 / max(mean, 1e-9)) / ALIKE_DB, 0, 1))
