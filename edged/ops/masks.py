"""Masks: which pixels belong to what, as runs in row-major order, in other sizes, and pasted into a
picture."""

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
"""[height, width]."""
Floats = NDArray[np.floating]


def rle_counts(mask: Mask) -> list[int]:
    """Lengths of the runs of a mask [height, width], row by row; the first, which may be 0, is of False."""
    flat = np.ascontiguousarray(mask, np.bool_).ravel()
    if not flat.size:
        return []
    counts, _ = _runs(flat.view(np.uint8))
    return [0, *counts.tolist()] if flat[0] else counts.tolist()


def part_counts(inside: Mask, corner: tuple[int, int], size: tuple[int, int]) -> list[int]:
    """`rle_counts` of a picture of `size` (height, width), of which only a part is looked at.

    `inside` [h, w]: the mask of the part; `corner`: its top and left, pixels of the picture.
    """
    height, width = inside.shape
    padded = np.zeros(height * (width + 1) + 1, np.bool_)  # a pixel outside before each row, and at the end
    padded[:-1].reshape(height, width + 1)[:, 1:] = inside
    changes = np.flatnonzero(padded[1:] != padded[:-1]) + 1  # the first pixel inside and the first outside
    begins, last = (_in_picture(at, corner, width, size[1]) for at in (changes[::2], changes[1::2] - 1))
    ends = last + 1
    joins = np.flatnonzero(begins[1:] == ends[:-1])  # where rows are as wide as the picture
    edges = np.column_stack([np.delete(begins, joins + 1), np.delete(ends, joins)])
    counts: list[int] = np.diff(edges.ravel(), prepend=0, append=size[0] * size[1]).tolist()
    return counts if counts[-1] or len(counts) == 1 else counts[:-1]


def _in_picture(
    pixels: NDArray[np.intp], corner: tuple[int, int], width: int, picture_width: int
) -> NDArray[np.intp]:
    """Number in the picture of pixels of a padded part, both in row-major order."""
    rows, columns = np.divmod(pixels, width + 1)
    return np.asarray((rows + corner[0]) * picture_width + columns - 1 + corner[1])


def runs(numbers: NDArray[np.integer]) -> tuple[NDArray[np.intp], NDArray[np.integer]]:
    """Lengths and values of the runs of a map [height, width] in row-major order."""
    flat = np.ascontiguousarray(numbers).ravel()
    if not flat.size:
        return np.zeros(0, np.intp), flat
    return _runs(flat)


def _runs(flat: NDArray[np.integer]) -> tuple[NDArray[np.intp], NDArray[np.integer]]:
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    return np.diff(starts, append=flat.size), flat[starts]


def resized(planes: Floats, size: tuple[int, int]) -> NDArray[np.float32]:
    """Planes [c, height, width] in another `size` (height, width), bilinear, f32.

    They may be the planes that were given, where these have that size.
    """
    if planes.shape[1:] == tuple(size):
        return np.asarray(planes, np.float32)
    out = np.empty((len(planes), *size), np.float32)
    for plane, target in zip(planes, out, strict=True):  # cv2 takes 4 channels at most at full speed
        cv2.resize(np.ascontiguousarray(plane, np.float32), size[::-1], dst=target)
    return out


def winners(planes: Floats, size: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Which of the logits [c, h, w], c up to 255, is the largest at each pixel of another `size` (height,
    width).

    Returns its softmax probability [height, width] and its number [height, width]. The planes are enlarged
    one after the other, so that a picture of many pixels takes the memory of four planes and not of all.
    """
    best = resized(planes[:1], size)[0]
    total, number = np.ones_like(best), np.zeros(size, np.uint8)
    for position in range(1, len(planes)):
        plane = resized(planes[position : position + 1], size)[0]
        larger = np.maximum(best, plane)
        total = total * np.exp(best - larger) + np.exp(plane - larger)
        number[plane > best] = position
        best = larger
    return np.asarray(1 / total, np.float32), number


def pasted(patch: Floats, box: Floats, size: tuple[int, int], threshold: float = 0.5) -> Mask:
    """A mask of the whole picture of `size` (height, width), of the part of it that a patch speaks of.

    See `pasted_part`.
    """
    whole = np.zeros(size, np.bool_)
    top, left, inside = pasted_part(patch, box, size, threshold)
    whole[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
    return whole


def pasted_part(
    patch: Floats, box: Floats, size: tuple[int, int], threshold: float = 0.5
) -> tuple[int, int, Mask]:
    """Top, left and mask [h, w] of the part of a picture that a patch speaks of.

    `patch` [h, w]: probabilities over the area of `box` (x1, y1, x2, y2, pixels of the picture; may reach
    over its edges). `size`: (height, width) of the picture. A pixel belongs to the mask when its middle is in
    the box and the probability there, bilinear between the middles of the patch's cells, is at least
    `threshold`.
    """
    nothing = 0, 0, np.zeros((0, 0), np.bool_)
    if not np.isfinite(box).all():
        return nothing
    x1, y1, x2, y2 = (float(edge) for edge in box)
    columns, rows = _within(x1, x2, size[1]), _within(y1, y2, size[0])
    if not (len(columns) and len(rows)):
        return nothing
    # cv2.remap is hardly quicker and rounds places to 1/32 of a cell, which may be more than a pixel.
    down = _between(np.asarray(patch, np.float32), rows, y1, y2)
    filled = _between(np.ascontiguousarray(down.T), columns, x1, x2).T
    return int(rows[0]), int(columns[0]), np.asarray(filled >= threshold)


def _within(near: float, far: float, length: int) -> NDArray[np.intp]:
    """The pixels, of so many in a row, whose middles lie between two edges."""
    first, last = np.ceil(np.clip([near - 0.5, far - 0.5], 0, length)).astype(int)
    return np.arange(first, last)


def _between(
    cells: NDArray[np.float32], pixels: NDArray[np.intp], near: float, far: float
) -> NDArray[np.float32]:
    """[pixels, n]: rows of `cells` [m, n], which reach from one edge to the other, in the pixels' middles."""
    places = np.clip((pixels + 0.5 - near) / (far - near) * len(cells) - 0.5, 0, len(cells) - 1)
    before = places.astype(np.intp)
    first = cells[before]
    rise: NDArray[np.float32] = cells[np.minimum(before + 1, len(cells) - 1)]
    rise -= first
    rise *= (places - before).astype(np.float32)[:, None]
    rise += first
    return rise


def mask_iou(a: Mask, b: Mask) -> float:
    """Intersection over union of two masks [height, width], 0 to 1; 1 when both are empty."""
    union = int((a | b).sum())
    return int((a & b).sum()) / union if union else 1.0
