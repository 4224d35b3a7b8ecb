"""Two pictures beside each other: before and after, or those that were compared."""

from collections.abc import Sequence

import cv2
import numpy as np

from edged.contracts.items import Pixels
from edged.ops.draw.pen import NEUTRAL, Colour, Pen, listed, readable
from edged.ops.embedding import BORDER

_SAME: Colour = (60, 140, 20)
_DIFFERENT: Colour = (40, 40, 200)
_READABLE, _LARGEST = 320, 1280  # pixels of height
_GAP = 250  # the light of what is between them

Line = tuple[str, Colour]
"""A text, and the colour of its ground."""


def before_and_after(bgr: Pixels, result: Pixels) -> Pixels:
    """The picture, and to its right, or below where it is wider than high, what became of it."""
    before, after = readable(bgr)[0], readable(result)[0]
    for canvas, text in ((before, "before"), (after, "after")):
        listed(canvas, [(text, NEUTRAL)], Pen.for_picture(canvas))
    return _joined(before, after, across=before.shape[0] >= before.shape[1])


def beside(pictures: Sequence[Pixels], lines: Sequence[Line]) -> Pixels:
    """Both pictures at one height, and what was found of them."""
    height = min(max(_READABLE, *(bgr.shape[0] for bgr in pictures)), _LARGEST)
    a, b = (_of_height(bgr, height) for bgr in pictures)
    canvas = _joined(a, b, across=True)
    listed(canvas, lines, Pen.for_picture(canvas))
    return canvas


def alike(similarity: float) -> Line:
    """A similarity of 0 to 100: green for the same, red for different ones."""
    return f"similarity {similarity:.4g}", _SAME if similarity >= BORDER else _DIFFERENT


def measure(name: str, value: float) -> Line:
    """A measure that does not say which they are."""
    return f"{name} {value:.3f}", NEUTRAL


def _of_height(bgr: Pixels, height: int) -> Pixels:
    width = max(1, round(bgr.shape[1] * height / bgr.shape[0]))
    return np.asarray(cv2.resize(bgr, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _joined(a: Pixels, b: Pixels, across: bool) -> Pixels:
    """`b` to the right of `a`, or below it."""
    line = Pen.for_picture(a).line * 2
    gap = np.full((a.shape[0], line, 3) if across else (line, a.shape[1], 3), _GAP, np.uint8)
    return np.concatenate([a, gap, b], axis=1 if across else 0)
