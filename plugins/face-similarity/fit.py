"""Fit the scale of the card to pairs.csv: `python fit.py` beside it prints the border and its errors.

A row is two pictures, whether they show the `same` person or an `other` one, and the cosine that the model
found. README.md says what the pictures are.
"""

import csv
import sys
from pathlib import Path

import numpy as np

from edged.ops.embedding import fit_border

CANDIDATES = (0.36, 0.42, 0.48)
"""Borders of which the errors are shown beside the fitted one."""


def main() -> None:
    """Print the border that divides best, and how many pairs it and others put on the wrong side."""
    with Path(__file__).with_name("pairs.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    same, other = (
        np.array([float(row["cosine"]) for row in rows if row["kind"] == kind]) for kind in ("same", "other")
    )
    best = fit_border(same, other)
    sys.stdout.write(f"same: {len(same)} pairs, other: {len(other)} pairs, best border {best:.3f}\n")
    for border in (best, *CANDIDATES):
        missed, taken = int((same < border).sum()), int((other >= border).sum())
        sys.stdout.write(f"{border:.3f}: {missed} same under it, {taken} others not\n")


if __name__ == "__main__":
    main()
