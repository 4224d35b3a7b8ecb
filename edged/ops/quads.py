"""Places of text: rectangles [n, 4, 2] at any angle, x and y in pixels.

Vertices go clockwise from the text's own top left. The side from the first to the second is the text's width
and points where it reads to; the side from the second to the third is its height.
Directions are complex numbers: x + iy, y pointing down.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edged.contracts.items import Pixels

Floats = NDArray[np.floating]

ELONGATED = 1.5
"""Text runs along the longer side where the sides differ by as much; any other place may be one letter."""
SAME_ROW = 0.5
"""Texts that are less than so much of the smaller one's height apart stand in one row."""


def extents(quads: Floats) -> tuple[Floats, Floats]:
    """Width and height of each text, [n] both."""
    width = np.linalg.norm(quads[..., 1, :] - quads[..., 0, :], axis=-1)
    height = np.linalg.norm(quads[..., 2, :] - quads[..., 1, :], axis=-1)
    return np.asarray(width), np.asarray(height)


def smallest_around(points: Floats) -> Floats:
    """The rectangle [4, 2] of the smallest area around points [n, 2], its first side a longer one.

    Where that side is not upright enough to read along it to the right, it is read downwards: so are columns
    of Chinese and, half of the time, pages that lie on their side. No shape tells which way up text stands.
    """
    corners = cv2.boxPoints(cv2.minAreaRect(np.asarray(points, np.float32)))
    sides = np.roll(corners, -1, axis=0) - corners
    if sides[0, 0] * sides[1, 1] < sides[0, 1] * sides[1, 0]:  # counterclockwise
        corners = corners[::-1]
        sides = np.roll(corners, -1, axis=0) - corners
    lengths = np.linalg.norm(sides, axis=1)
    longer = [0, 2] if lengths[0] >= lengths[1] else [1, 3]
    first = max(longer, key=lambda i: float(sides[i].sum()))  # between "right" and "down"
    return np.asarray(np.roll(corners, -first, axis=0), np.float32)


def smallest_along(points: Floats, direction: complex) -> Floats:
    """The rectangle [4, 2] around points [n, 2] whose text reads in `direction`."""
    turned = (points[..., 0] + 1j * points[..., 1]) / direction
    left, right = turned.real.min(), turned.real.max()
    top, bottom = turned.imag.min(), turned.imag.max()
    corners = (
        np.array([left + 1j * top, right + 1j * top, right + 1j * bottom, left + 1j * bottom]) * direction
    )
    return np.stack([corners.real, corners.imag], axis=-1).astype(np.float32)


def grown(quad: Floats, ratio: float) -> Floats:
    """The rectangle [4, 2] with every side moved outwards by area x `ratio` / circumference."""
    width, height = (float(length) for length in extents(quad))
    away = ratio * width * height / max(2 * (width + height), 1e-6)
    right = (quad[1] - quad[0]) / max(width, 1e-6) * away
    down = (quad[2] - quad[1]) / max(height, 1e-6) * away
    return np.asarray(quad + np.stack([-right - down, right - down, right + down, down - right]), np.float32)


def upside_down(quad: Floats) -> Floats:
    """The same place, [..., 4, 2], of a text that stands the other way up."""
    return np.roll(quad, 2, axis=-2)


def straightened(picture: Pixels, quad: Floats, height: int) -> Pixels:
    """What lies in `quad` [4, 2], upright, `height` pixels high and as wide as the proportions want."""
    width, tall = (max(1, round(float(length))) for length in extents(quad))
    corners = np.array([[0, 0], [width, 0], [width, tall]], np.float32)
    warp = cv2.getAffineTransform(np.asarray(quad[:3], np.float32), corners)
    own = cv2.warpAffine(picture, warp, (width, tall), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    how = cv2.INTER_AREA if tall > height else cv2.INTER_CUBIC
    strip: Pixels = cv2.resize(own, (max(1, round(width * height / tall)), height), interpolation=how)
    return strip


def directions(quads: Floats) -> NDArray[np.complex128]:
    """Where each text reads to, [n], as long as the text is wide."""
    along = np.asarray(quads[:, 1] - quads[:, 0], np.float64)
    return np.asarray(along[:, 0] + 1j * along[:, 1], np.complex128)


def main_direction(each: NDArray[np.complex128]) -> complex:
    """Of [n] ways, each as long as its text is wide: of length 1, where most text reads to; else right."""
    if not len(each):
        return 1 + 0j
    # Texts of a photographed page diverge a little: those within 45 degrees of each other count together.
    alike = (np.outer(each.conj(), each) / np.maximum(np.abs(np.outer(each, each)), 1e-9)).real > np.sqrt(0.5)
    heaviest = alike[(alike @ np.abs(each)).argmax()]
    mean = complex(each[heaviest].sum())
    return mean / abs(mean) if mean else 1 + 0j


@dataclass(frozen=True, slots=True)
class _Text:
    index: int
    centre: complex
    along: complex
    """Where it reads to, as long as it is wide."""
    height: float

    def beside(self, other: "_Text") -> bool:
        """Whether the two stand in one row: neither is above the other, seen along both of them."""
        along = self.along + other.along
        if not along:
            return False
        apart = ((other.centre - self.centre) * along.conjugate()).imag / abs(along)
        return abs(apart) < SAME_ROW * min(self.height, other.height)


def reading_order(quads: Floats) -> list[int]:
    """The indices of [n, 4, 2] quads, line by line from the top, each line from left to right, for somebody
    who holds the picture so that most of its text stands upright. Columns are not told apart. Lines may be
    slanted, each in its own way.
    """
    _, heights = extents(quads)
    ways = directions(quads)
    page = main_direction(ways)
    centres = quads.astype(np.float64).mean(axis=1) @ np.array([1, 1j])
    texts = map(_Text, range(len(quads)), centres.tolist(), ways.tolist(), heights.tolist())
    rows: list[list[_Text]] = []
    for text in sorted(texts, key=lambda text: (text.centre / page).imag):
        row = next((row for row in rows if max(row, key=lambda t: abs(t.along)).beside(text)), None)
        if row is None:
            rows.append([text])
        else:
            row.append(text)
    rows.sort(key=lambda row: sum((text.centre / page).imag for text in row) / len(row))
    return [text.index for row in rows for text in sorted(row, key=lambda t: (t.centre / page).real)]
