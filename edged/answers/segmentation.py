"""The class of every pixel."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edged.answers.fields import PUBLISHED, SCORE_DIGITS, Floats, NumberTable, Stack, Table, rounded
from edged.answers.kind import Kind
from edged.answers.masks import Classes, Runs, encoded_classes
from edged.contracts.errors import TooLarge
from edged.contracts.items import Pixels
from edged.contracts.masks import Segmentation, SegmentationOptions
from edged.ops.draw.masks import fitted, tint
from edged.ops.draw.pen import Pen, colour_of, listed, readable
from edged.ops.masks import resized, winners
from edged.ops.scores import softmax

LEAST_SHARE = 0.01
"""Of a picture's pixels; a class that covers less comes and goes by chance."""
MOST_NUMBERS = 10_000_000
"""Of `class_probs`, enough for 690 x 690 pixels of 21 classes."""
_DRAWN_SIDE = 480  # pixels of the longer side of the map that is drawn
_DRAWN_SHARE = 0.005  # of the picture that a class covers to be listed


@dataclass(frozen=True, slots=True)
class SegmentationFields:
    """Answer of semantic-segmentation."""

    __pydantic_config__ = PUBLISHED

    probs: Table | Runs | str
    """[height, width]: probability of the class that wins at each pixel, 0 to 1; with `mask_encoding: rle`
    its mean over each run of `preds`, with `png` a gray picture in which 255 is 1."""
    preds: NumberTable | Runs | str
    """[height, width]: the class that wins, 0-based index into the model's label list, 0 is background; with
    `mask_encoding: rle` runs of it, with `png` a gray picture of it."""
    class_probs: Stack | None = None
    """[classes, height, width]: probability of every class, 0 to 1; only with `return_all_probs`."""


def _written(found: Segmentation, options: SegmentationOptions) -> SegmentationFields:
    size = options.size_for(found.grid, found.size)
    every = _every(found, size) if options.return_all_probs else None  # may refuse: first
    best, classes = winners(found.logits, size)
    return SegmentationFields(*encoded_classes(best, classes, options.mask_encoding), class_probs=every)


def _every(found: Segmentation, size: tuple[int, int]) -> Floats:
    """The probabilities of every class [classes, height, width]."""
    if len(found.logits) * size[0] * size[1] > MOST_NUMBERS:
        raise TooLarge(
            f"`return_all_probs` of {size[0]} x {size[1]} pixels is over {MOST_NUMBERS} numbers; ask for a "
            "smaller `output_size`"
        )
    return rounded(softmax(resized(found.logits, size), axis=0), SCORE_DIGITS)


def _on_grid(found: Segmentation) -> Classes:
    """The class that wins [rows, columns]."""
    return np.asarray(found.logits.argmax(axis=0))


def _gist(found: Segmentation, _: Any) -> Hashable:
    """Which classes cover at least a hundredth of the picture."""
    classes = _on_grid(found)
    shares = np.bincount(classes.ravel()) / classes.size
    return tuple(np.flatnonzero(shares >= LEAST_SHARE).tolist())


def _agreement(reference: Sequence[Segmentation], other: Sequence[Segmentation]) -> float:
    """Mean IoU of the classes that either gives, over all items together."""
    a, b = (np.concatenate([_on_grid(item).ravel() for item in items]) for items in (reference, other))
    shares = [((a == c) & (b == c)).sum() / ((a == c) | (b == c)).sum() for c in np.union1d(a, b)]
    return float(np.mean(shares)) if shares else 1.0


def _drawn(pictures: Sequence[Pixels], found: Segmentation, _: Any) -> Pixels:
    """The classes in colour, with their names and how much they cover."""
    canvas, _ = readable(pictures[0])
    scale = min(1.0, _DRAWN_SIDE / max(canvas.shape[:2]))
    size = max(1, round(canvas.shape[0] * scale)), max(1, round(canvas.shape[1] * scale))
    classes = winners(found.logits, size)[1]
    shares = np.bincount(classes.ravel(), minlength=len(found.logits)) / classes.size
    whole = fitted(classes, canvas)
    seen = [i for i in np.argsort(-shares, kind="stable").tolist() if i and shares[i] > _DRAWN_SHARE]
    for number in seen:
        tint(canvas, whole == number, colour_of(found.names[number]))
    lines = [(f"{found.names[i]}  {shares[i]:.0%}", colour_of(found.names[i])) for i in seen]
    listed(canvas, lines, Pen.for_picture(canvas))
    return canvas


KIND = Kind(
    Segmentation,
    SegmentationFields,
    write=_written,
    gist=_gist,
    agreement=_agreement,
    draw=_drawn,
    shrink="ask for `mask_encoding: rle`, a smaller `output_size`, or leave out `return_all_probs`",
)
