"""Masks in colour, in whichever form they were answered."""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import pybase64
from numpy.typing import NDArray

from edged.contracts.items import Pixels
from edged.contracts.masks import LONGEST_SIDE, Rle, Runs
from edged.ops.draw.boxes import boxed
from edged.ops.draw.pen import Colour, Pen, colour_of, listed, readable
from edged.ops.masks import map_of, mask_of

_TINT = 0.5  # of a pixel that is inside
_DIM = 0.25  # of the background's light that is left
_LEAST = 0.005  # of the picture that a class covers to be listed
_HEADER = struct.Struct(">16xII")  # width and height in a PNG

Answer = Mapping[str, Any]


def draw_class_map(pictures: Sequence[Pixels], answer: Answer) -> Pixels:
    """The classes of a semantic-segmentation in colour, with their numbers and how much they cover."""
    canvas, _ = readable(pictures[0])
    preds = answer["preds"]
    numbers = _fitted(_picture(preds) if isinstance(preds, str) else _rows(preds), canvas)
    shares = np.bincount(numbers.ravel().astype(np.uint8), minlength=256) / numbers.size
    seen = [
        int(number) for number in np.argsort(-shares, kind="stable") if number and shares[number] > _LEAST
    ]
    for number in seen:
        _tint(canvas, numbers == number, colour_of(f"class {number}"))
    lines = [(f"class {number}  {shares[number]:.0%}", colour_of(f"class {number}")) for number in seen]
    listed(canvas, lines, Pen.for_picture(canvas))
    return canvas


def draw_foreground(pictures: Sequence[Pixels], answer: Answer) -> Pixels:
    """People as they are, and the background in the dark."""
    canvas, _ = readable(pictures[0])
    mask = answer["mask"]
    people = _fitted(_picture(mask) > 127 if isinstance(mask, str) else _rows(mask), canvas) > 0
    dark = (canvas * _DIM).astype(np.uint8)
    return np.where(people[..., None], canvas, dark)


def draw_objects(pictures: Sequence[Pixels], answer: Answer) -> Pixels:
    """Every object in its class's colour, with its outline, box, name and score."""
    canvas, factor = readable(pictures[0])
    pen = Pen.for_picture(canvas)
    names = answer["detection_class_names"]
    for name, mask in reversed(list(zip(names, answer["detection_masks"], strict=True))):
        inside = _fitted(_rows(mask), canvas) > 0
        _tint(canvas, inside, colour_of(name))
        outline, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(canvas, outline, -1, colour_of(name), pen.line, cv2.LINE_AA)
    boxes = [[edge * factor for edge in box] for box in answer["detection_boxes"]]
    scores = answer["detection_scores"]
    boxed(canvas, boxes, names, [f"{n} {s:.0%}" for n, s in zip(names, scores, strict=True)], pen)
    return canvas


def _tint(canvas: Pixels, inside: NDArray[np.bool_], colour: Colour) -> None:
    canvas[inside] = (canvas[inside] * (1 - _TINT) + np.array(colour) * _TINT).astype(np.uint8)


def _fitted(numbers: NDArray[Any], canvas: Pixels) -> NDArray[Any]:
    """A map of any size [h, w] in that of the canvas, to the nearest."""
    size = canvas.shape[1], canvas.shape[0]
    return np.asarray(cv2.resize(numbers.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST))


def _rows(value: Any) -> NDArray[Any]:
    """[h, w] of rows or runs. Raises `ValueError` for what is neither."""
    if isinstance(value, Rle | Runs):
        value = {name: getattr(value, name) for name in value.__slots__}
    if not isinstance(value, Mapping):
        rows = np.asarray(value)
        if rows.ndim != 2 or not rows.size:
            raise ValueError("a mask has rows and columns")
        return rows
    height, width = value["size"]
    _check(height, width)
    if "values" in value:
        return map_of(value["counts"], value["values"], (height, width))
    return mask_of(value["counts"], (height, width))


def _picture(text: str) -> NDArray[np.uint8]:
    """[h, w] of a gray PNG in Base64. Raises `ValueError` for another one."""
    data = pybase64.b64decode(text, validate=True)
    if len(data) < _HEADER.size:
        raise ValueError("a mask is no picture")
    width, height = _HEADER.unpack_from(data)
    _check(height, width)
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    if found is None:
        raise ValueError("a mask is no picture")
    return np.asarray(found, np.uint8)


def _check(height: int, width: int) -> None:
    """Before anything of that size is made."""
    if not (0 < height <= LONGEST_SIDE and 0 < width <= LONGEST_SIDE):
        raise ValueError(f"a mask of {height} x {width} is too large, or empty")
