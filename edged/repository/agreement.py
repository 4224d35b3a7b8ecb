"""How far the answers of two variants of one model are the same: one metric a type of result."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from edged.contracts.image import Classification, Detections, SceneClassification, Texts
from edged.contracts.masks import ForegroundMask, InstanceMasks, Segmentation
from edged.contracts.parts import Embedding, Faces
from edged.ops.boxes import iou
from edged.ops.masks import mask_iou, mask_of

MINIMUM_IOU = 0.5
"""Two boxes that overlap by as much, with one class or one text, are the same."""


def agreement(reference: Sequence[Any], other: Sequence[Any]) -> float | None:
    """0 to 1: how far `other` gives the answers of `reference`; none for a result type without metric."""
    metric = _METRICS.get(type(reference[0])) if reference else None
    return metric(reference, other) if metric else None


def of_detections(reference: Sequence[Detections], other: Sequence[Detections]) -> float:
    """F1 over all items: boxes that only one of the two has count against it. 1 when neither has any."""
    return _f1([(d.detection_boxes, d.detection_classes) for d in items] for items in (reference, other))


def of_texts(reference: Sequence[Texts], other: Sequence[Texts]) -> float:
    """F1 over all items as of detections: texts that differ by a single letter are not the same."""
    return _f1([(t.detection_boxes, t.detection_texts) for t in items] for items in (reference, other))


def of_faces(reference: Sequence[Faces], other: Sequence[Faces]) -> float:
    """F1 over all items as of detections, of one class."""
    return _f1([(f.boxes.tolist(), [0] * len(f)) for f in items] for items in (reference, other))


def of_embeddings(reference: Sequence[Embedding], other: Sequence[Embedding]) -> float:
    """Mean cosine of the two vectors of an item; what points away counts nothing."""
    return float(np.mean([max(0.0, a.vector @ b.vector) for a, b in zip(reference, other, strict=True)]))


_Boxes = tuple[Sequence[Sequence[float]], Sequence[int] | Sequence[str]]
"""Boxes of one item, and what each of them is."""


def _f1(both: Iterable[Sequence[_Boxes]]) -> float:
    reference, other = both
    total = sum(len(boxes) for boxes, _ in (*reference, *other))
    same = sum(len(_pairs(a, b)) for a, b in zip(reference, other, strict=True))
    return 2 * same / total if total else 1.0


def _pairs(a: _Boxes, b: _Boxes) -> list[tuple[int, int]]:
    """Pairs of the same that overlap enough, each box in one at most; the first boxes of `a` choose first."""
    if not a[0] or not b[0]:
        return []
    overlap = iou(*(np.asarray(boxes, np.float32) for boxes, _ in (a, b)))
    overlap[np.array(a[1])[:, None] != np.array(b[1])[None]] = 0
    pairs = []
    for index, row in enumerate(overlap):
        best = int(row.argmax())
        if row[best] >= MINIMUM_IOU:
            overlap[:, best] = 0
            pairs.append((index, best))
    return pairs


def of_instances(reference: Sequence[InstanceMasks], other: Sequence[InstanceMasks]) -> float:
    """As F1 of detections, but a pair of the same counts by as much as its masks overlap."""
    total = sum(len(found.detection_masks) for found in (*reference, *other))
    shared = sum(_same_masks(a, b) for a, b in zip(reference, other, strict=True))
    return 2 * shared / total if total else 1.0


def _same_masks(a: InstanceMasks, b: InstanceMasks) -> float:
    """Sum of the overlaps of the masks whose objects are the same."""
    pairs = _pairs((a.detection_boxes, a.detection_classes), (b.detection_boxes, b.detection_classes))
    both = ((a.detection_masks[i], b.detection_masks[j]) for i, j in pairs)
    return sum(mask_iou(*(mask_of(m.counts, (m.size[0], m.size[1])) for m in masks)) for masks in both)


def of_classifications(reference: Sequence[Classification], other: Sequence[Classification]) -> float:
    """Share of items whose most probable class is the same."""
    same = [a.class_ == b.class_ for a, b in zip(reference, other, strict=True)]
    return sum(same) / len(same)


def of_scenes(reference: Sequence[SceneClassification], other: Sequence[SceneClassification]) -> float:
    """Share of items whose most probable class is the same."""
    same = [a.class_[0] == b.class_[0] for a, b in zip(reference, other, strict=True)]
    return sum(same) / len(same)


def of_segmentations(reference: Sequence[Segmentation], other: Sequence[Segmentation]) -> float:
    """Mean IoU of the classes that either gives, over all items together; both as lists."""
    return _mean_iou([s.preds for s in reference], [s.preds for s in other])


def of_foregrounds(reference: Sequence[ForegroundMask], other: Sequence[ForegroundMask]) -> float:
    """IoU of the people over all items together, 1 when neither has any; both as lists."""
    return _mean_iou([m.mask for m in reference], [m.mask for m in other], without=0)


def _mean_iou(reference: Sequence[Any], other: Sequence[Any], without: int | None = None) -> float:
    """Of maps of classes [height, width]."""
    a, b = (np.concatenate([np.asarray(item).ravel() for item in items]) for items in (reference, other))
    classes = [number for number in np.union1d(a, b).tolist() if number != without]
    shares = [((a == c) & (b == c)).sum() / ((a == c) | (b == c)).sum() for c in classes]
    return float(np.mean(shares)) if shares else 1.0


_METRICS: Mapping[type, Callable[[Sequence[Any], Sequence[Any]], float]] = {
    Detections: of_detections,
    Faces: of_faces,
    Embedding: of_embeddings,
    InstanceMasks: of_instances,
    Texts: of_texts,
    Segmentation: of_segmentations,
    ForegroundMask: of_foregrounds,
    Classification: of_classifications,
    SceneClassification: of_scenes,
}
