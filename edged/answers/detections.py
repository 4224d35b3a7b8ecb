"""Objects in their boxes."""

from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from edged.answers.fields import (
    PUBLISHED,
    SCORE_DIGITS,
    Floats,
    Numbers,
    Table,
    Vector,
    rounded,
    top_left_first,
)
from edged.answers.kind import Kind
from edged.contracts.image import Detections
from edged.contracts.items import Pixels
from edged.ops.boxes import iou
from edged.ops.draw.boxes import draw_boxes

FoundT = TypeVar("FoundT", bound=Detections)

MINIMUM_IOU = 0.5
"""Two boxes that overlap by as much, with one class or one text, are the same."""


@dataclass(frozen=True, slots=True)
class DetectionFields:
    """Answer of object-detection: every list has one entry an object, best score first; all may be empty."""

    __pydantic_config__ = PUBLISHED

    detection_boxes: Table
    """[n, 4]: top, left, bottom, right (y1, x1, y2, x2), pixels of the original upright picture."""
    detection_scores: Vector
    """[n]: confidence, 0 to 1."""
    detection_classes: Numbers
    """[n]: 0-based index into the model's label list."""
    detection_class_names: list[str]
    """[n]: the name of each class."""


def lists_of(found: Detections) -> tuple[Floats, Floats, NDArray[np.integer], list[str]]:
    """The four lists that all answers with objects begin with."""
    return (
        top_left_first(found.boxes),
        rounded(found.scores, SCORE_DIGITS),
        np.ascontiguousarray(found.classes),
        found.class_names,
    )


def _written(found: Detections, _: Any) -> DetectionFields:
    return DetectionFields(*lists_of(found))


def gist_of_objects(found: Detections, _: Any) -> Hashable:
    """How many there are of each class."""
    return tuple(sorted(found.class_names))


def only_objects(found: FoundT, classes: Collection[str]) -> tuple[FoundT, bool]:
    """The objects of these classes."""
    rows = [row for row, name in enumerate(found.class_names) if name in classes]
    return found.chosen(rows), bool(rows)


Boxes = tuple[Floats, Sequence[Any]]
"""Boxes [n, 4] of one item, and what each of them is."""


def f1(reference: Iterable[Boxes], other: Iterable[Boxes]) -> float:
    """Over all items: boxes that only one of the two has count against it. 1 when neither has any."""
    pairs = list(zip(reference, other, strict=True))
    total = sum(len(boxes) for pair in pairs for boxes, _ in pair)
    same = sum(len(same_boxes(a, b)) for a, b in pairs)
    return 2 * same / total if total else 1.0


def same_boxes(a: Boxes, b: Boxes) -> list[tuple[int, int]]:
    """Pairs of the same that overlap enough, each box in one at most; the first boxes of `a` choose first."""
    if not len(a[0]) or not len(b[0]):
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


def boxes_of(found: Detections) -> Boxes:
    """Boxes and classes, as `f1` compares them."""
    return found.boxes, found.classes.tolist()


def same_objects(reference: Sequence[Detections], other: Sequence[Detections]) -> float:
    """F1 of boxes and classes over all items."""
    return f1(map(boxes_of, reference), map(boxes_of, other))


def _drawn(pictures: Sequence[Pixels], found: Detections, _: Any) -> Pixels:
    """A box around every object, with its name and score."""
    return draw_boxes(pictures[0], found.boxes, found.class_names, labels_of(found))


def labels_of(found: Detections) -> list[str]:
    """Name and score of every object."""
    scored = zip(found.class_names, found.scores.tolist(), strict=True)
    return [f"{name} {score:.0%}" for name, score in scored]


KIND = Kind(
    Detections,
    DetectionFields,
    write=_written,
    gist=gist_of_objects,
    only=only_objects,
    agreement=same_objects,
    draw=_drawn,
    shrink="ask for a smaller `max_detections`, or a higher `score_threshold`",
)
