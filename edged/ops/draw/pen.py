"""The pen: measures that fit a picture, labels on a ground of their class's colour, one colour a class."""

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

import cv2
import numpy as np

from edged.contracts.items import Pixels

FONT = "sans"  # comes with OpenCV, and takes what it lacks, such as Chinese, from another one that does
WEIGHT = 400  # of 100 to 900
_LINE = 1.3  # height of a line of text, with what hangs below it, in sizes of its letters
_READABLE = 320  # a picture whose shorter side has less pixels is enlarged, or no label could be read
_LARGEST = 1280  # but not beyond so many pixels of its longer side

Colour = tuple[int, int, int]
NEUTRAL: Colour = (120, 90, 40)
"""The ground of a text that speaks of no class."""
Rectangle = tuple[int, int, int, int]
"""Left, top, right, bottom."""


@dataclass(frozen=True, slots=True)
class Pen:
    """Measures that fit the size of a picture."""

    line: int
    """Width of a box's line, pixels."""
    text: int
    """Size of the letters, pixels."""

    @classmethod
    def for_picture(cls, bgr: Pixels) -> "Pen":
        side = float(np.sqrt(bgr.shape[0] * bgr.shape[1]))
        return cls(line=max(1, round(side / 300)), text=max(11, round(side / 60)))

    @property
    def margin(self) -> int:
        """Left and right of the letters of a label, pixels."""
        return self.line + self.text // 8


def colour_of(name: str) -> Colour:
    """The colour of a class, BGR: vivid, and the same in every picture."""
    number = crc32(name.encode())
    red, green, blue = colorsys.hsv_to_rgb(number % 360 / 360, 0.75 + number // 360 % 2 * 0.25, 0.95)
    return round(blue * 255), round(green * 255), round(red * 255)


def readable(bgr: Pixels) -> tuple[Pixels, int]:
    """A copy that may be drawn into, and how many times larger it is."""
    height, width = bgr.shape[:2]
    factor = max(1, min(-(-_READABLE // min(height, width)), _LARGEST // max(height, width)))
    size = width * factor, height * factor
    return (cv2.resize(bgr, size, interpolation=cv2.INTER_CUBIC) if factor > 1 else bgr.copy()), factor


def extent(text: str, pen: Pen) -> tuple[int, int]:
    """Width and height of a label, pixels."""
    return width_of(text, pen.text) + 2 * pen.margin, round(pen.text * _LINE) + 2 * pen.line


def width_of(text: str, size: int) -> int:
    """Pixels of a text in letters of that size."""
    return int(cv2.getTextSize((0, 0), text, (0, 0), cv2.FontFace(FONT), size, WEIGHT)[2])


def write(canvas: Pixels, place: Rectangle, text: str, colour: Colour, pen: Pen) -> None:
    """Text on a ground of `colour`."""
    left, top, right, bottom = place
    cv2.rectangle(canvas, (left, top), (right, bottom), colour, cv2.FILLED)
    at = left + pen.margin, top + pen.line + pen.text
    cv2.putText(canvas, text, at, _ink_on(colour), cv2.FontFace(FONT), pen.text, WEIGHT)


def _ink_on(colour: Colour) -> Colour:
    """Black on a light ground, white on a dark one."""
    blue, green, red = colour
    return (0, 0, 0) if 0.114 * blue + 0.587 * green + 0.299 * red > 140 else (255, 255, 255)


def listed(canvas: Pixels, lines: Sequence[tuple[str, Colour]], pen: Pen) -> None:
    """Lines of text at the top left, each on its colour."""
    place = (0, 0, 0, 0)
    for text, colour in lines:
        across, down = extent(text, pen)
        place = 0, place[3], across, place[3] + down
        write(canvas, place, text, colour, pen)
