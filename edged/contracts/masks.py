"""Options and results of the services that say which pixels belong to what.

Maps stay on the grid of the model and masks within their box; who writes an answer brings them to the size
that is asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from edged.contracts.image import Detections, Floats, Integers, Names
from edged.contracts.model import Options

MaskEncoding = Literal["list", "rle", "png"]
"""How a mask is published."""

LONGEST_SIDE = 8192
"""Of a mask that a request may ask for, pixels."""


def _output_size(value: Any) -> Any:
    if value in ("model", "input"):
        return value
    sides = value if isinstance(value, list | tuple) else ()
    if len(sides) == 2 and all(type(side) is int and 1 <= side <= LONGEST_SIDE for side in sides):
        return tuple(sides)
    raise PydanticCustomError(
        "output_size",
        "it must be `model`, `input` or [height, width] of whole numbers from 1 to {longest}",
        {"longest": LONGEST_SIDE},
    )


_SIDE = {"type": "integer", "minimum": 1, "maximum": LONGEST_SIDE}
OutputSize = Annotated[
    Literal["model", "input"] | tuple[int, int],
    PlainValidator(_output_size),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": ["model", "input"]},
                {"type": "array", "items": _SIDE, "minItems": 2, "maxItems": 2},
            ]
        }
    ),
]
"""Size of a mask: (height, width) in pixels, or whose."""


class MaskOptions(Options):
    """Options of every service that answers with a mask of the whole picture."""

    output_size: OutputSize
    """Size of the mask: `model` (the model's own grid), `input` (the picture's), or [height, width] in
    pixels."""
    mask_encoding: MaskEncoding
    """`list`: rows of numbers; `rle`: runs in row-major order; `png`: Base64 of a gray picture."""

    def size_for(self, model: tuple[int, int], picture: tuple[int, int]) -> tuple[int, int]:
        """(height, width) that is asked for, of a model with that grid and a picture of that size."""
        if isinstance(self.output_size, tuple):
            return self.output_size
        return model if self.output_size == "model" else picture


class SegmentationOptions(MaskOptions):
    """Options of semantic-segmentation."""

    return_all_probs: bool
    """Whether to answer the probabilities of all classes too."""


class ForegroundOptions(MaskOptions):
    """Options of foreground-segmentation."""

    threshold: float = Field(gt=0, le=1)
    """From this opacity on a pixel belongs to a person, 0 to 1."""
    person_threshold: float = Field(ge=0, le=1)
    """Somebody must be seen at least this surely, or the mask is empty, 0 to 1; 0 looks for nobody."""


@dataclass(frozen=True, slots=True, eq=False)
class Segmentation:
    """Result of semantic-segmentation."""

    logits: Floats
    """[classes, rows, columns] over the whole picture, on the grid of the model."""
    size: tuple[int, int]
    """(height, width) of the picture, pixels."""
    names: Names
    """By class id; 0 is background."""

    @property
    def grid(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.logits.shape[1], self.logits.shape[2]


@dataclass(frozen=True, slots=True, eq=False)
class Opacity:
    """How far each place of a part of the picture belongs to what was looked for."""

    values: Floats
    """[rows, columns]: 0 to 1, evenly over the box."""
    box: Floats
    """[4]: x1, y1, x2, y2 in pixels of the picture."""


@dataclass(frozen=True, slots=True, eq=False)
class Foreground:
    """Result of foreground-segmentation: a pixel is a person where any part says so; elsewhere is nobody."""

    parts: Sequence[Opacity]
    grid: tuple[int, int]
    """(rows, columns) of the model."""
    size: tuple[int, int]
    """(height, width) of the picture, pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class PartMask:
    """The mask of a part of the picture, pixel by pixel; outside of it the mask is empty."""

    top: int
    left: int
    inside: NDArray[np.bool_]
    """[height, width] of the part, which lies within the picture."""


@dataclass(frozen=True, slots=True, eq=False)
class InstanceMasks(Detections):
    """Result of instance-segmentation: n objects, best score first."""

    masks: Sequence[PartMask]
    """[n]."""
    size: tuple[int, int]
    """(height, width) of the picture, pixels."""

    @classmethod
    def of(cls, found: Detections, masks: Sequence[PartMask], size: tuple[int, int]) -> Self:
        """Objects with one mask each, in the same order."""
        return cls(found.boxes, found.scores, found.classes, found.names, masks, size)

    def chosen(self, rows: Integers | Sequence[int]) -> Self:
        found = super(InstanceMasks, self).chosen(rows)
        return replace(found, masks=[self.masks[row] for row in rows])
