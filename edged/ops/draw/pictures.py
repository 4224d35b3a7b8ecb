"""Two pictures beside each other: before and after, or those that were compared."""

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import pybase64

from edged.contracts.items import Pixels
from edged.ops.draw.pen import Colour, Pen, listed, readable

_SAME: Colour = (60, 140, 20)
_DIFFERENT: Colour = (40, 40, 200)
_NEUTRAL: Colour = (120, 90, 40)
_BORDER = 80  # of a similarity, from which on two pictures are the same
_READABLE, _LARGEST = 320, 1280  # pixels of height
_GAP = 250  # the light of what is between them

Answer = Mapping[str, Any]


def draw_after(pictures: Sequence[Pixels], answer: Answer) -> Pixels:
    """The picture, and to its right, or below where it is wider than high, what became of it."""
    found = cv2.imdecode(
        np.frombuffer(pybase64.b64decode(answer["out_image"], validate=True), np.uint8), cv2.IMREAD_COLOR
    )
    if found is None or found.shape != pictures[0].shape:
        raise ValueError("`out_image` is no picture of the size of the input")
    before, _ = readable(pictures[0])
    after, _ = readable(np.asarray(found, np.uint8))
    for canvas, text in ((before, "before"), (after, "after")):
        listed(canvas, [(text, _NEUTRAL)], Pen.for_picture(canvas))
    return _joined(before, after, across=before.shape[0] >= before.shape[1])


def draw_pair(pictures: Sequence[Pixels], answer: Answer) -> Pixels:
    """Both pictures at one height, and what was found of them: green for the same, red for different ones."""
    height = min(max(_READABLE, *(bgr.shape[0] for bgr in pictures)), _LARGEST)
    a, b = (_of_height(bgr, height) for bgr in pictures)
    canvas = _joined(a, b, across=True)
    lines = []
    if "similarity" in answer:
        alike = answer["similarity"] >= _BORDER
        lines.append((f"similarity {answer['similarity']:g}", _SAME if alike else _DIFFERENT))
    for name in ("l2_distance", "cosine_similarity"):
        if name in answer:
            lines.append((f"{name.replace('_', ' ')} {answer[name]:.3f}", _NEUTRAL))
    listed(canvas, lines, Pen.for_picture(canvas))
    return canvas


def _of_height(bgr: Pixels, height: int) -> Pixels:
    width = max(1, round(bgr.shape[1] * height / bgr.shape[0]))
    return np.asarray(cv2.resize(bgr, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _joined(a: Pixels, b: Pixels, across: bool) -> Pixels:
    """`b` to the right of `a`, or below it."""
    line = Pen.for_picture(a).line * 2
    gap = np.full((a.shape[0], line, 3) if across else (line, a.shape[1], 3), _GAP, np.uint8)
    return np.concatenate([a, gap, b], axis=1 if across else 0)
