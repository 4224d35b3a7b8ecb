"""Tracks, lines and zones drawn over a live picture, so that people see what is counted where."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edged.contracts.items import Pixels
from edged.ops.draw.boxes import Boxes
from edged.ops.draw.pen import Colour, Pen, colour_of, extent, readable, write
from edged.streams.places import Place, PlacesSettings

TRACK: Colour = (60, 60, 60)
"""The ground of a track's id."""
ARROW = 5
"""Length of the arrow `in`, in heights of letters."""


def with_ids(drawing: Pixels, width: int, boxes: Boxes, ids: Sequence[int | None]) -> Pixels:
    """A new drawing with the ids of tracks below their boxes, which are in pixels of a picture so wide."""
    canvas = drawing.copy()
    pen, factor = Pen.for_picture(canvas), canvas.shape[1] / width
    for (left, _, _, bottom), track in zip((boxes * factor).round().astype(int).tolist(), ids, strict=True):
        if track is not None:
            across, down = extent(f"#{track}", pen)
            top = max(0, min(bottom, canvas.shape[0]) - down)
            write(canvas, (max(0, left), top, max(0, left) + across, top + down), f"#{track}", TRACK, pen)
    return canvas


def with_places(drawing: Pixels, places: PlacesSettings) -> Pixels:
    """A new drawing with lines, each with its arrow `in`, and zones; the same where there are none."""
    if not places.lines and not places.zones:
        return drawing
    canvas, _ = readable(drawing)
    pen, size = Pen.for_picture(canvas), np.array(canvas.shape[1::-1])
    for name, zone in places.zones.items():
        corners = (np.array(zone.polygon) * size).round().astype(np.int32)
        cv2.polylines(canvas, [corners], True, colour_of(name), pen.line, cv2.LINE_AA)
        _label(canvas, name, zone.polygon[0], pen)
    for name, line in places.lines.items():
        begin, end = np.array(line.begin) * size, np.array(line.end) * size
        cv2.line(canvas, _whole(begin), _whole(end), colour_of(name), 2 * pen.line, cv2.LINE_AA)
        along, middle = (end - begin) / np.linalg.norm(end - begin), (begin + end) / 2
        tip = middle + np.array([-along[1], along[0]]) * ARROW * pen.text  # to the right hand of the line
        cv2.arrowedLine(
            canvas, _whole(middle), _whole(tip), colour_of(name), 2 * pen.line, cv2.LINE_AA, tipLength=0.3
        )
        _label(canvas, f"{name} in", (tip[0] / size[0], tip[1] / size[1]), pen)
    return canvas


def _whole(point: NDArray[np.float64]) -> tuple[int, int]:
    x, y = point.round().astype(int).tolist()
    return x, y


def _label(canvas: Pixels, text: str, at: Place, pen: Pen) -> None:
    """A name as near to its place as the picture lets it."""
    across, down = extent(text, pen)
    left = max(0, min(round(at[0] * canvas.shape[1]), canvas.shape[1] - across))
    top = max(0, min(round(at[1] * canvas.shape[0]), canvas.shape[0] - down))
    write(canvas, (left, top, left + across, top + down), text, colour_of(text.removesuffix(" in")), pen)
