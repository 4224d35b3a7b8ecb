"""Options and result types of the services whose answer is a mask: which pixels belong to what."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from edged.contracts.image import Detections
from edged.contracts.model import Options
from edged.contracts.result import RESULT, Numbers, Stack, Table

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


@dataclass(frozen=True, slots=True)
class Rle:
    """A mask as lengths of runs in row-major order; the first run, which may be 0 long, is outside."""

    __pydantic_config__ = RESULT

    counts: list[int]
    """Lengths of the runs, outside and inside in turns; their sum is height times width."""
    size: list[int]
    """Height and width, pixels."""


@dataclass(frozen=True, slots=True)
class Runs:
    """A map of numbers as runs in row-major order."""

    __pydantic_config__ = RESULT

    counts: list[int]
    """Lengths of the runs; their sum is height times width."""
    values: list[float]
    """One number a run."""
    size: list[int]
    """Height and width, pixels."""


@dataclass(frozen=True, slots=True)
class Segmentation:
    """Answer of semantic-segmentation."""

    __pydantic_config__ = RESULT

    probs: Table | Runs | str
    """[height, width]: probability of the class that wins at each pixel, 0 to 1; with `mask_encoding: rle`
    its mean over each run of `preds`, with `png` a gray picture in which 255 is 1."""
    preds: Numbers | Runs | str
    """[height, width]: the class that wins, 0-based index into the model's label list, 0 is background; with
    `mask_encoding: rle` runs of it, with `png` a gray picture of it."""
    class_probs: Stack | None = None
    """[classes, height, width]: probability of every class, 0 to 1; only with `return_all_probs`."""


@dataclass(frozen=True, slots=True)
class ForegroundMask:
    """Answer of foreground-segmentation."""

    __pydantic_config__ = RESULT

    human_ratio: str
    """Pixels that belong to a person over all pixels, a decimal number from 0 to 1."""
    mask: Numbers | Rle | str
    """[height, width]: 1 where a person is, else 0; with `mask_encoding: rle` runs of it, with `png` a gray
    picture in which 255 is a person."""


@dataclass(frozen=True, slots=True)
class InstanceMasks(Detections):
    """Answer of instance-segmentation: every list has one entry an object, best score first; all may be
    empty."""

    __pydantic_config__ = RESULT

    detection_masks: list[Rle]
    """[n]: the pixels of each object in the whole picture."""

    @classmethod
    def from_detections(cls, found: Detections, masks: Sequence[Rle]) -> Self:
        """Objects with one mask each, in the same order."""
        return cls(
            detection_boxes=found.detection_boxes,
            detection_scores=found.detection_scores,
            detection_classes=found.detection_classes,
            detection_class_names=found.detection_class_names,
            detection_masks=list(masks),
        )
