"""Objects with the pixels that belong to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from edged.answers.detections import (
    DetectionFields,
    boxes_of,
    gist_of_objects,
    labels_of,
    lists_of,
    only_objects,
    same_boxes,
)
from edged.answers.fields import PUBLISHED
from edged.answers.kind import Kind
from edged.answers.masks import Rle
from edged.contracts.items import Pixels
from edged.contracts.masks import InstanceMasks, PartMask
from edged.ops.draw.boxes import boxed
from edged.ops.draw.masks import fitted, tint
from edged.ops.draw.pen import Pen, colour_of, readable
from edged.ops.masks import Mask, mask_iou, part_counts


@dataclass(frozen=True, slots=True)
class InstanceFields(DetectionFields):
    """Answer of instance-segmentation: every list has one entry an object, best score first; all may be
    empty."""

    __pydantic_config__ = PUBLISHED

    detection_masks: list[Rle]
    """[n]: the pixels of each object in the whole picture."""


def _written(found: InstanceMasks, _: Any) -> InstanceFields:
    size = found.size
    runs = [part_counts(mask.inside, (mask.top, mask.left), size) for mask in found.masks]
    return InstanceFields(*lists_of(found), [Rle(counts, list(size)) for counts in runs])


def _whole(mask: PartMask, size: tuple[int, int]) -> Mask:
    """The mask of the whole picture of `size` (height, width)."""
    picture = np.zeros(size, np.bool_)
    height, width = mask.inside.shape
    picture[mask.top : mask.top + height, mask.left : mask.left + width] = mask.inside
    return picture


def _agreement(reference: Sequence[InstanceMasks], other: Sequence[InstanceMasks]) -> float:
    """As F1 of detections, but a pair of the same counts by as much as its masks overlap."""
    total = sum(len(found) for found in (*reference, *other))
    shared = sum(_shared(a, b) for a, b in zip(reference, other, strict=True))
    return 2 * shared / total if total else 1.0


def _shared(a: InstanceMasks, b: InstanceMasks) -> float:
    """Sum of the overlaps of the masks whose objects are the same."""
    pairs = same_boxes(boxes_of(a), boxes_of(b))
    return sum(mask_iou(_whole(a.masks[i], a.size), _whole(b.masks[j], b.size)) for i, j in pairs)


def _drawn(pictures: Sequence[Pixels], found: InstanceMasks, _: Any) -> Pixels:
    """Every object in its class's colour, with its outline, box, name and score."""
    canvas, factor = readable(pictures[0])
    pen, names = Pen.for_picture(canvas), found.class_names
    for name, mask in reversed(list(zip(names, found.masks, strict=True))):
        inside = fitted(_whole(mask, found.size), canvas) > 0
        tint(canvas, inside, colour_of(name))
        outline, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(canvas, outline, -1, colour_of(name), pen.line, cv2.LINE_AA)
    boxed(canvas, found.boxes * factor, names, labels_of(found), pen)
    return canvas


KIND = Kind(
    InstanceMasks,
    InstanceFields,
    write=_written,
    gist=gist_of_objects,
    only=only_objects,
    agreement=_agreement,
    draw=_drawn,
    shrink="ask for a smaller `max_detections`, or a higher `score_threshold`",
)
