"""Texts that were read, beside the picture at the places where they stand."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edged.contracts.items import Pixels
from edged.ops.draw.pen import FONT, WEIGHT, Pen, readable, width_of

_PAPER, _INK, _FRAME = 250, (30, 30, 30), (60, 140, 20)  # BGR
_SHARE = 0.75  # of the height of a place that its text gets


def draw_texts(bgr: Pixels, quads: Sequence[NDArray[np.floating]], texts: Sequence[str]) -> Pixels:
    """A new picture with a frame around each text, and a sheet that shows at the same places what was read.

    `quads`: [4, 2] each, vertices as x, y in pixels, clockwise from the text's own top left. The sheet is
    below a picture that is wider than high, else to its right.
    """
    canvas, factor = readable(bgr)
    sheet = np.full_like(canvas, _PAPER)
    line = Pen.for_picture(canvas).line
    for place, text in zip(quads, texts, strict=True):
        quad = np.asarray(place, np.float32) * factor
        _print(sheet, quad, text)
        cv2.polylines(canvas, [quad.round().astype(np.int32)], True, _FRAME, line, cv2.LINE_AA)
    return np.concatenate([canvas, sheet], axis=0 if canvas.shape[1] > canvas.shape[0] else 1)


def _print(sheet: Pixels, quad: NDArray[np.float32], text: str) -> None:
    """Text within `quad` [4, 2] of x, y, turned as it is."""
    width, height = (max(1, round(float(np.linalg.norm(quad[i + 1] - quad[i])))) for i in (0, 1))
    size = max(1, round(height * _SHARE))
    size = max(1, min(size, size * width // max(1, width_of(text, size))))
    strip = np.full((height, width, 3), _PAPER, np.uint8)
    at = 0, min(height, round((height + _SHARE * size) / 2))
    cv2.putText(strip, text, at, _INK, cv2.FontFace(FONT), size, WEIGHT)
    limit = sheet.shape[1], sheet.shape[0]
    left, top = np.clip(np.floor(quad.min(axis=0)), 0, limit).astype(int)
    right, bottom = np.clip(np.ceil(quad.max(axis=0)), 0, limit).astype(int)
    if left < right and top < bottom:
        ground = sheet[top:bottom, left:right]
        corners = np.array([[0, 0], [width, 0], [width, height]], np.float32)
        turn = cv2.getAffineTransform(corners, quad[:3] - np.array([left, top], np.float32))
        turned = cv2.warpAffine(
            strip, turn, (right - left, bottom - top), flags=cv2.INTER_AREA, borderValue=(_PAPER,) * 3
        )
        np.minimum(ground, turned, out=ground)
