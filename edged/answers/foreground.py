"""People against the background."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edged.answers.fields import PUBLISHED, NumberTable
from edged.answers.kind import Kind
from edged.answers.masks import Rle, encoded_mask
from edged.contracts.items import Pixels
from edged.contracts.masks import Foreground, ForegroundOptions
from edged.ops.draw.masks import fitted
from edged.ops.draw.pen import readable
from edged.ops.masks import Mask, pasted

_DIM = 0.25  # of the background's light that is left in a drawing
_COMPARED = 320, 320  # pixels of the masks that are compared
_EVEN = 0.5  # opacity from which on they are inside


@dataclass(frozen=True, slots=True)
class ForegroundFields:
    """Answer of foreground-segmentation."""

    __pydantic_config__ = PUBLISHED

    human_ratio: str
    """Pixels that belong to a person over all pixels, a decimal number from 0 to 1."""
    mask: NumberTable | Rle | str
    """[height, width]: 1 where a person is, else 0; with `mask_encoding: rle` runs of it, with `png` a gray
    picture in which 255 is a person."""


def _written(found: Foreground, options: ForegroundOptions) -> ForegroundFields:
    mask = _people(found, options.size_for(found.grid, found.size), options.threshold)
    return ForegroundFields(f"{mask.mean():.6f}", encoded_mask(mask, options.mask_encoding))


def _people(found: Foreground, size: tuple[int, int], threshold: float) -> Mask:
    """Where people are, in a picture of another `size` (height, width)."""
    shrink = np.array([size[1] / found.size[1], size[0] / found.size[0]] * 2, np.float32)
    mask = np.zeros(size, np.bool_)
    for part in found.parts:
        mask |= pasted(part.values, part.box * shrink, size, threshold)
    return mask


def _anybody(found: Foreground, options: ForegroundOptions) -> bool:
    return any(float(part.values.max(initial=0)) >= options.threshold for part in found.parts)


def _agreement(reference: Sequence[Foreground], other: Sequence[Foreground]) -> float:
    """IoU of the people over all items together, 1 when neither has any."""
    a, b = (
        np.concatenate([_people(item, _COMPARED, _EVEN) for item in items]) for items in (reference, other)
    )
    either = int((a | b).sum())
    return int((a & b).sum()) / either if either else 1.0


def _drawn(pictures: Sequence[Pixels], found: Foreground, options: ForegroundOptions) -> Pixels:
    """People as they are, and the background in the dark."""
    canvas, _ = readable(pictures[0])
    people = fitted(_people(found, pictures[0].shape[:2], options.threshold), canvas) > 0
    return np.where(people[..., None], canvas, (canvas * _DIM).astype(np.uint8))


KIND = Kind(
    Foreground,
    ForegroundFields,
    write=_written,
    gist=_anybody,
    agreement=_agreement,
    draw=_drawn,
    shrink="ask for `mask_encoding: rle`, or a smaller `output_size`",
)
