"""Masks as they are published: as rows of numbers, as runs, or as a gray picture."""

import cv2
import numpy as np
import pybase64
from numpy.typing import NDArray

from edged.contracts.masks import MaskEncoding, Rle, Runs
from edged.media.picture import encode_png
from edged.ops.masks import rle_counts, runs

Numbers = NDArray[np.integer]
Floats = NDArray[np.floating]

DIGITS = 4
"""Of a probability in rows of numbers."""


def encoded_mask(mask: NDArray[np.bool_], encoding: MaskEncoding) -> Numbers | Rle | str:
    """A mask [height, width] as 0 and 1, as runs, or as Base64 of a PNG in which 255 is inside."""
    if encoding == "rle":
        return Rle(rle_counts(mask), list(mask.shape))
    if encoding == "png":
        return _png(mask.view(np.uint8) * np.uint8(255))
    return mask.view(np.uint8)


def encoded_classes(
    probabilities: Floats, classes: Numbers, encoding: MaskEncoding
) -> tuple[Floats | Runs | str, Numbers | Runs | str]:
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
        return Runs(lengths, means.round(DIGITS).tolist(), size), Runs(lengths, values.tolist(), size)
    if encoding == "png":
        return _png((probabilities * 255).round().astype(np.uint8)), _png(classes.astype(np.uint8))
    return rounded(probabilities), classes


def rounded(probabilities: Floats) -> NDArray[np.float32]:
    """Probabilities with so few digits that their JSON is short, f32."""
    return np.asarray(np.round(np.asarray(probabilities, np.float32), DIGITS), np.float32)


def mask_picture(text: str) -> NDArray[np.uint8]:
    """The gray picture [height, width] of a mask that was encoded as PNG. Raises `ValueError` for another
    text."""
    found = cv2.imdecode(np.frombuffer(pybase64.b64decode(text), np.uint8), cv2.IMREAD_GRAYSCALE)
    if found is None:
        raise ValueError("the text is no PNG in Base64")
    return np.asarray(found, np.uint8)


def _png(gray: NDArray[np.uint8]) -> str:
    return str(pybase64.b64encode_as_string(encode_png(gray)))
