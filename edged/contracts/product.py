"""Options and result types of inventory-counting."""

from collections import Counter
from dataclasses import dataclass
from typing import Self

from pydantic import Field

from edged.contracts.image import DetectionOptions, Detections
from edged.contracts.result import RESULT

UNKNOWN = "unknown"
"""Name of a product that is none of those that were enrolled; its class id is 0."""


class InventoryOptions(DetectionOptions):
    """Options of inventory-counting."""

    max_distance: float = Field(ge=0, le=2)
    """A product that is farther from every enrolled picture is unknown; distance of unit vectors, 0 to 2."""


@dataclass(frozen=True, slots=True)
class ShelfCount(Detections):
    """Answer of inventory-counting: every `detection_` list has one entry a product; all may be empty.

    `detection_classes` are 0 for an unknown product, else the id of its SKU, from 1: it is given when the SKU
    is enrolled, stays whatever is enrolled or removed later, and is never given to another.
    """

    __pydantic_config__ = RESULT

    product_count: dict[str, int]
    """How many of each SKU are seen; `unknown` for those that are none of the enrolled ones."""
    ori_img_shape: list[int]
    """Height and width of the picture, pixels."""

    @classmethod
    def from_detections(cls, found: Detections, size: tuple[int, int]) -> Self:
        """Products by their class names, in a picture of `size` (height, width)."""
        return cls(
            detection_boxes=found.detection_boxes,
            detection_scores=found.detection_scores,
            detection_classes=found.detection_classes,
            detection_class_names=found.detection_class_names,
            product_count=dict(sorted(Counter(found.detection_class_names).items())),
            ori_img_shape=list(size),
        )
