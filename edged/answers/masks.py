"""Maps of a whole picture as they are published: as rows of numbers, as runs, or as a gray picture."""

from dataclasses import dataclass

import numpy as np
import pybase64
from numpy.typing import NDArray

from edged.answers.fields import PUBLISHED, SCORE_DIGITS, Floats, rounded
from edged.contracts.masks import MaskEncoding
from edged.media.picture import encode_png
from edged.ops.masks import Mask, rle_counts, runs

Classes = NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class Rle:
    """A mask as lengths of runs in row-major order; the first run, which may be 0 long, is outside."""

    __pydantic_config__ = PUBLISHED

    counts: list[int]
    """Lengths of the runs, outside and inside in turns; their sum is height times width."""
    size: list[int]
    """Height and width, pixels."""


@dataclass(frozen=True, slots=True)
class Runs:
    """A map of numbers as runs in row-major order."""

    __pydantic_config__ = PUBLISHED

    counts: list[int]
    """Lengths of the runs; their sum is height times width."""
    values: list[float]
    """One number a run."""
    size: list[int]
    """Height and width, pixels."""


def encoded_mask(mask: Mask, encoding: MaskEncoding) -> Classes | Rle | str:
    """A mask [height, width] as 0 and 1, as runs, or as Base64 of a PNG in which 255 is inside."""
    if encoding == "rle":
        return Rle(rle_counts(mask), list(mask.shape))
    if encoding == "png":
        return _png(mask.view(np.uint8) * np.uint8(255))
    return mask.view(np.uint8)


def encoded_classes(
    probabilities: Floats, classes: Classes, encoding: MaskEncoding
) -> tuple[Floats | Runs | str, Classes | Runs | str]:
    """What wins at every pixel: its probability [height, width] and its class [height, width].

    As runs both have those of the classes, the probability its mean over each; as PNG 255 is a probability
    of 1.
    """
    if encoding == "rle":
        counts, values = runs(classes)
        size = list(classes.shape)
        starts = np.cumsum(counts) - counts
        means = np.add.reduceat(probabilities.ravel(), starts, dtype=np.float64) / counts
        lengths = counts.tolist()
        return Runs(lengths, means.round(SCORE_DIGITS).tolist(), size), Runs(lengths, values.tolist(), size)
    if encoding == "png":
        return _png((probabilities * 255).round().astype(np.uint8)), _png(classes.astype(np.uint8))
    return rounded(probabilities, SCORE_DIGITS), classes


def _png(gray: NDArray[np.uint8]) -> str:
    return str(pybase64.b64encode_as_string(encode_png(gray)))
