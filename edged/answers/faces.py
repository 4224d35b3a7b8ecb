"""Faces, as one model finds them for others: never published, so they can only be compared."""

from collections.abc import Sequence

from edged.answers.detections import Boxes, f1
from edged.contracts.parts import Faces


def agreement(reference: Sequence[Faces], other: Sequence[Faces]) -> float:
    """F1 over all items as of detections, of one class."""
    return f1(map(_boxes, reference), map(_boxes, other))


def _boxes(found: Faces) -> Boxes:
    return found.boxes, [0] * len(found)
