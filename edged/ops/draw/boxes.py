"""Boxes with their names."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edged.contracts.items import Pixels
from edged.ops.draw.pen import Pen, Rectangle, colour_of, extent, readable, write

Boxes = NDArray[np.floating]
"""[n, 4]: x1, y1, x2, y2 in pixels, best first."""


def draw_boxes(bgr: Pixels, boxes: Boxes, names: Sequence[str], labels: Sequence[str]) -> Pixels:
    """A new picture with boxes, each in the colour of its name and with its label.

    A name always has the same colour. The best box is on top. A small picture comes back enlarged by a
    whole number, so that the labels can be read.
    """
    canvas, factor = readable(bgr)
    boxed(canvas, boxes * factor, names, labels, Pen.for_picture(canvas))
    return canvas


def boxed(canvas: Pixels, boxes: Boxes, names: Sequence[str], labels: Sequence[str], pen: Pen) -> None:
    """Draw boxes, in pixels of the canvas, into it."""
    edges = np.asarray(boxes).round().astype(int).tolist()
    for (left, top, right, bottom), name in reversed(list(zip(edges, names, strict=True))):
        cv2.rectangle(canvas, (left, top), (right, bottom), colour_of(name), pen.line, cv2.LINE_AA)
    taken: list[Rectangle] = []
    for (left, top, *_), name, label in zip(edges, names, labels, strict=True):
        place = _free_place(extent(label, pen), (left, top), taken, canvas.shape[1])
        taken.append(place)
        write(canvas, place, label, colour_of(name), pen)


def _free_place(
    extent: tuple[int, int], corner: tuple[int, int], taken: list[Rectangle], limit: int
) -> Rectangle:
    """Where a label goes: on its box, left of `limit`, and below the labels that are in the way."""
    width, height = extent
    left = max(0, min(corner[0], limit - width))
    top = corner[1] - height if corner[1] >= height else corner[1]
    for other in sorted(taken, key=lambda place: place[1]):
        if left < other[2] and other[0] < left + width and top < other[3] and other[1] < top + height:
            top = other[3]
    return left, top, left + width, top + height
