"""Products on a shelf, and how many there are of each."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edged.answers.detections import (
    DetectionFields,
    gist_of_objects,
    lists_of,
    only_objects,
    same_objects,
)
from edged.answers.fields import PUBLISHED, Numbers
from edged.answers.kind import Kind
from edged.contracts.items import Pixels
from edged.contracts.product import ShelfCount
from edged.ops.draw.boxes import draw_boxes
from edged.ops.draw.pen import Pen, colour_of, listed


@dataclass(frozen=True, slots=True)
class ShelfFields(DetectionFields):
    """Answer of inventory-counting: every `detection_` list has one entry a product; all may be empty."""

    __pydantic_config__ = PUBLISHED

    detection_classes: Numbers
    """[n]: the number that the SKU got when it was enrolled; 0 is unknown."""
    detection_class_names: list[str]
    """[n]: the name of each SKU, or `unknown`."""
    product_count: dict[str, int]
    """How many of each SKU are seen; `unknown` for those that are none of the enrolled ones."""
    ori_img_shape: list[int]
    """Height and width of the picture, pixels."""


def _written(found: ShelfCount, _: Any) -> ShelfFields:
    counts = dict(sorted(Counter(found.class_names).items()))
    return ShelfFields(*lists_of(found), counts, list(found.size))


def _drawn(pictures: Sequence[Pixels], found: ShelfCount, _: Any) -> Pixels:
    """A box in the colour of its SKU around every product, and a list of the counts."""
    names = found.class_names
    canvas = draw_boxes(pictures[0], found.boxes, names, names)
    counts = Counter(names).most_common()
    listed(canvas, [(f"{count} x {sku}", colour_of(sku)) for sku, count in counts], Pen.for_picture(canvas))
    return canvas


KIND = Kind(
    ShelfCount,
    ShelfFields,
    write=_written,
    gist=gist_of_objects,
    only=only_objects,
    agreement=same_objects,
    draw=_drawn,
    shrink="ask for a smaller `max_detections`, or a higher `score_threshold`",
)
