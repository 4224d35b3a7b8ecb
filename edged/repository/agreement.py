"""How far the answers of two variants of one model are the same: one metric a type of result."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edged.contracts.image import Classification, Detections
from edged.ops.boxes import iou

MINIMUM_IOU = 0.5
"""Two boxes that overlap by as much, with one class, are the same object."""


def agreement(reference: Sequence[Any], other: Sequence[Any]) -> float | None:
    """0 to 1: how far `other` gives the answers of `reference`; none for a result type without metric."""
    metric = _METRICS.get(type(reference[0])) if reference else None
    return metric(reference, other) if metric else None


def of_detections(reference: Sequence[Detections], other: Sequence[Detections]) -> float:
    """F1 over all items: boxes that only one of the two has count against it. 1 when neither has any."""
    total = sum(len(d.detection_scores) for d in (*reference, *other))
    same = sum(_same_boxes(a, b) for a, b in zip(reference, other, strict=True))
    return 2 * same / total if total else 1.0


def _same_boxes(a: Detections, b: Detections) -> int:
    """Pairs of one class that overlap enough, each box in one at most; the best boxes of `a` choose first."""
    if not a.detection_boxes or not b.detection_boxes:
        return 0
    boxes = (np.asarray(d.detection_boxes, np.float32) for d in (a, b))
    overlap = iou(*boxes)
    overlap[np.not_equal.outer(a.detection_classes, b.detection_classes)] = 0
    pairs = 0
    for row in overlap:
        best = int(row.argmax())
        if row[best] >= MINIMUM_IOU:
            overlap[:, best] = 0
            pairs += 1
    return pairs


def of_classifications(reference: Sequence[Classification], other: Sequence[Classification]) -> float:
    """Share of items whose most probable class is the same."""
    same = [a.class_ == b.class_ for a, b in zip(reference, other, strict=True)]
    return sum(same) / len(same)


_METRICS: Mapping[type, Callable[[Sequence[Any], Sequence[Any]], float]] = {
    Detections: of_detections,
    Classification: of_classifications,
}
