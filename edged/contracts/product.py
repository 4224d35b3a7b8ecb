"""Options and result of inventory-counting."""

from dataclasses import dataclass

from pydantic import Field

from edged.contracts.image import DetectionOptions, Detections

UNKNOWN = "unknown"
"""Name of a product that is none of those that were enrolled; its class id is 0."""


class InventoryOptions(DetectionOptions):
    """Options of inventory-counting."""

    max_distance: float = Field(ge=0, le=2)
    """A product that is farther from every enrolled picture is unknown; distance of unit vectors, 0 to 2."""


@dataclass(frozen=True, slots=True, eq=False)
class ShelfCount(Detections):
    """Result of inventory-counting: n products, best score first; class 0 is unknown."""

    size: tuple[int, int]
    """(height, width) of the picture, pixels."""
