"""Boxes with their names."""

from collections.abc import Sequence

import cv2

from edged.contracts.items import Pixels
from edged.ops.draw.pen import Pen, Rectangle, colour_of, extent, readable, write


def draw_detections(
    bgr: Pixels, boxes: Sequence[Sequence[float]], scores: Sequence[float], names: Sequence[str]
) -> Pixels:
    """A new picture with boxes (top, left, bottom, right in pixels), each with its name and score.

    A class always has the same colour. The best box is on top. A small picture comes back enlarged by a
    whole number, so that the labels can be read.
    """
    canvas, factor = readable(bgr)
    found = sorted(zip(boxes, scores, names, strict=True), key=lambda row: -row[1])
    places = [[edge * factor for edge in box] for box, _, _ in found]
    labels = [f"{name} {score:.0%}" for _, score, name in found]
    boxed(canvas, places, [name for *_, name in found], labels, Pen.for_picture(canvas))
    return canvas


def boxed(
    canvas: Pixels, boxes: Sequence[Sequence[float]], names: Sequence[str], labels: Sequence[str], pen: Pen
) -> None:
    """Boxes (top, left, bottom, right, pixels of the canvas), best first, in the colours of their names."""
    for box, name in reversed(list(zip(boxes, names, strict=True))):
        top, left, bottom, right = (round(edge) for edge in box)
        cv2.rectangle(canvas, (left, top), (right, bottom), colour_of(name), pen.line, cv2.LINE_AA)
    taken: list[Rectangle] = []
    for box, name, label in zip(boxes, names, labels, strict=True):
        corner = round(box[1]), round(box[0])
        taken.append(place := _free_place(extent(label, pen), corner, taken, canvas.shape[1]))
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
