"""Answers drawn into the picture that they speak of, for people to look at."""

import colorsys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import cv2
import numpy as np
from numpy.typing import NDArray

from edged.contracts.items import Pixels

_FONT = "sans"  # comes with OpenCV, and takes what it lacks, such as Chinese, from another one that does
_WEIGHT = 400  # of 100 to 900
_LINE = 1.3  # height of a line of text, with what hangs below it, in sizes of its letters
_PAPER, _INK, _FRAME = 250, (30, 30, 30), (60, 140, 20)  # texts that were read, BGR
_SHARE = 0.75  # of the height of a place that its text gets
_READABLE = 320  # a picture whose shorter side has less pixels is enlarged, or no label could be read
_LARGEST = 1280  # but not beyond so many pixels of its longer side
_TOP = 5  # so many classes of a classification are listed

Colour = tuple[int, int, int]
_Rectangle = tuple[int, int, int, int]  # left, top, right, bottom


@dataclass(frozen=True, slots=True)
class _Pen:
    """Measures that fit the size of a picture."""

    line: int
    """Width of a box's line, pixels."""
    text: int
    """Size of the letters, pixels."""

    @classmethod
    def for_picture(cls, bgr: Pixels) -> "_Pen":
        side = float(np.sqrt(bgr.shape[0] * bgr.shape[1]))
        return cls(line=max(1, round(side / 300)), text=max(11, round(side / 60)))

    @property
    def margin(self) -> int:
        """Left and right of the letters of a label, pixels."""
        return self.line + self.text // 8


def annotate(service: str, bgr: Pixels, answer: Mapping[str, Any]) -> Pixels:
    """The picture with the answer of a service drawn into it; as it is, where there is nothing to draw."""
    draw = _BY_SERVICE.get(service)
    return draw(bgr, answer) if draw else bgr


def draw_detections(
    bgr: Pixels, boxes: Sequence[Sequence[float]], scores: Sequence[float], names: Sequence[str]
) -> Pixels:
    """A new picture with boxes (top, left, bottom, right in pixels), each with its name and score.

    A class always has the same colour. The best box is on top. A small picture comes back enlarged by a
    whole number, so that the labels can be read.
    """
    canvas, factor = _readable(bgr)
    pen = _Pen.for_picture(canvas)
    found = sorted(zip(boxes, scores, names, strict=True), key=lambda row: row[1])
    for box, _, name in found:
        top, left, bottom, right = (round(edge * factor) for edge in box)
        cv2.rectangle(canvas, (left, top), (right, bottom), colour_of(name), pen.line, cv2.LINE_AA)
    taken: list[_Rectangle] = []
    for box, score, name in reversed(found):
        text = f"{name} {score:.0%}"
        corner = round(box[1] * factor), round(box[0] * factor)
        taken.append(place := _free_place(_extent(text, pen), corner, taken, canvas.shape[1]))
        _write(canvas, place, text, colour_of(name), pen)
    return canvas


def draw_classes(bgr: Pixels, probabilities: Mapping[str, float]) -> Pixels:
    """A new picture with the most probable classes written at the top left, best first."""
    canvas, _ = _readable(bgr)
    pen = _Pen.for_picture(canvas)
    place = (0, 0, 0, 0)
    for name, probability in sorted(probabilities.items(), key=lambda pair: -pair[1])[:_TOP]:
        text = f"{name} {probability:.1%}"
        width, height = _extent(text, pen)
        place = 0, place[3], width, place[3] + height
        _write(canvas, place, text, colour_of(name), pen)
    return canvas


def draw_texts(bgr: Pixels, places: Sequence[Sequence[Sequence[float]]], texts: Sequence[str]) -> Pixels:
    """A new picture with a frame around each text, and a sheet that shows at the same places what was read.

    `places` [n, 4, 2]: vertices as y, x in pixels, clockwise from the text's own top left. The sheet is below
    a picture that is wider than high, else to its right.
    """
    canvas, factor = _readable(bgr)
    sheet = np.full_like(canvas, _PAPER)
    line = _Pen.for_picture(canvas).line
    for place, text in zip(places, texts, strict=True):
        quad = np.array(place, np.float32)[:, ::-1] * factor
        _print(sheet, quad, text)
        cv2.polylines(canvas, [quad.round().astype(np.int32)], True, _FRAME, line, cv2.LINE_AA)
    return np.concatenate([canvas, sheet], axis=0 if canvas.shape[1] > canvas.shape[0] else 1)


def _print(sheet: Pixels, quad: NDArray[np.float32], text: str) -> None:
    """Text within `quad` [4, 2] of x, y, turned as it is."""
    width, height = (max(1, round(float(np.linalg.norm(quad[i + 1] - quad[i])))) for i in (0, 1))
    size = max(1, round(height * _SHARE))
    size = max(1, min(size, size * width // max(1, _width(text, size))))
    strip = np.full((height, width, 3), _PAPER, np.uint8)
    at = 0, min(height, round((height + _SHARE * size) / 2))
    cv2.putText(strip, text, at, _INK, cv2.FontFace(_FONT), size, _WEIGHT)
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


def colour_of(name: str) -> Colour:
    """The colour of a class, BGR: vivid, and the same in every picture."""
    number = crc32(name.encode())
    red, green, blue = colorsys.hsv_to_rgb(number % 360 / 360, 0.75 + number // 360 % 2 * 0.25, 0.95)
    return round(blue * 255), round(green * 255), round(red * 255)


def _readable(bgr: Pixels) -> tuple[Pixels, int]:
    """A copy that may be drawn into, and how many times larger it is."""
    height, width = bgr.shape[:2]
    factor = max(1, min(-(-_READABLE // min(height, width)), _LARGEST // max(height, width)))
    size = width * factor, height * factor
    return (cv2.resize(bgr, size, interpolation=cv2.INTER_CUBIC) if factor > 1 else bgr.copy()), factor


def _extent(text: str, pen: _Pen) -> tuple[int, int]:
    """Width and height of a label, pixels."""
    return _width(text, pen.text) + 2 * pen.margin, round(pen.text * _LINE) + 2 * pen.line


def _width(text: str, size: int) -> int:
    """Pixels of a text in letters of that size."""
    return int(cv2.getTextSize((0, 0), text, (0, 0), cv2.FontFace(_FONT), size, _WEIGHT)[2])


def _free_place(
    extent: tuple[int, int], corner: tuple[int, int], taken: list[_Rectangle], limit: int
) -> _Rectangle:
    """Where a label goes: on its box, left of `limit`, and below the labels that are in the way."""
    width, height = extent
    left = max(0, min(corner[0], limit - width))
    top = corner[1] - height if corner[1] >= height else corner[1]
    for other in sorted(taken, key=lambda place: place[1]):
        if left < other[2] and other[0] < left + width and top < other[3] and other[1] < top + height:
            top = other[3]
    return left, top, left + width, top + height


def _write(canvas: Pixels, place: _Rectangle, text: str, colour: Colour, pen: _Pen) -> None:
    """Text on a ground of `colour`."""
    left, top, right, bottom = place
    cv2.rectangle(canvas, (left, top), (right, bottom), colour, cv2.FILLED)
    at = left + pen.margin, top + pen.line + pen.text
    cv2.putText(canvas, text, at, _ink_on(colour), cv2.FontFace(_FONT), pen.text, _WEIGHT)


def _ink_on(colour: Colour) -> Colour:
    """Black on a light ground, white on a dark one."""
    blue, green, red = colour
    return (0, 0, 0) if 0.114 * blue + 0.587 * green + 0.299 * red > 140 else (255, 255, 255)


def _detection(bgr: Pixels, answer: Mapping[str, Any]) -> Pixels:
    return draw_detections(
        bgr, answer["detection_boxes"], answer["detection_scores"], answer["detection_class_names"]
    )


def _classification(bgr: Pixels, answer: Mapping[str, Any]) -> Pixels:
    return draw_classes(bgr, answer["class_probs"])


def _ocr(bgr: Pixels, answer: Mapping[str, Any]) -> Pixels:
    return draw_texts(bgr, answer["detection_keypoints"], answer["detection_texts"])


_BY_SERVICE: Mapping[str, Callable[[Pixels, Mapping[str, Any]], Pixels]] = {
    "object-detection": _detection,
    "image-classification": _classification,
    "ocr": _ocr,
}
