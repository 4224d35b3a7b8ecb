"""Masks: which pixels belong to what, as runs in row-major order, in other sizes, and pasted into a
picture."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
"""[height, width]."""
Floats = NDArray[np.floating]


def rle_counts(mask: Mask) -> list[int]:
    """Lengths of the runs of a mask in row-major order; the first run, which may be 0 long, is False."""
    flat = np.ascontiguousarray(mask, np.bool_).ravel()
    if not flat.size:
        return []
    counts, _ = _runs(flat.view(np.uint8))
    return [0, *counts.tolist()] if flat[0] else counts.tolist()


def mask_of(counts: Sequence[int], size: tuple[int, int]) -> Mask:
    """The mask of `size` (height, width) with these runs; undoes `rle_counts`.

    Raises `ValueError` when a count is negative or they do not add up to the size.
    """
    lengths = np.asarray(counts, np.int64).ravel()
    _check(lengths, size)
    values = (np.arange(len(lengths)) % 2).astype(np.bool_)
    return np.repeat(values, lengths).reshape(size)


def runs(numbers: NDArray[np.integer]) -> tuple[NDArray[np.intp], NDArray[np.integer]]:
    """Lengths and values of the runs of a map [height, width] in row-major order."""
    flat = np.ascontiguousarray(numbers).ravel()
    if not flat.size:
        return np.zeros(0, np.intp), flat
    return _runs(flat)


def map_of(counts: Sequence[int], values: Sequence[float], size: tuple[int, int]) -> NDArray[np.generic]:
    """The map of `size` (height, width) with these runs; undoes `runs`. Raises as `mask_of`."""
    lengths, numbers = np.asarray(counts, np.int64).ravel(), np.asarray(values).ravel()
    if len(lengths) != len(numbers):
        raise ValueError(f"{len(lengths)} runs have {len(numbers)} values")
    _check(lengths, size)
    return np.repeat(numbers, lengths).reshape(size)


def _runs(flat: NDArray[np.integer]) -> tuple[NDArray[np.intp], NDArray[np.integer]]:
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    return np.diff(starts, append=flat.size), flat[starts]


def _check(lengths: NDArray[np.int64], size: tuple[int, int]) -> None:
    if (lengths < 0).any() or lengths.sum() != size[0] * size[1]:
        raise ValueError(f"runs of {int(lengths.sum())} pixels are no map of {size[0]} x {size[1]}")


def resized(planes: Floats, size: tuple[int, int]) -> NDArray[np.float32]:
    """Planes [c, height, width] in another `size` (height, width), bilinear, f32."""
    if planes.shape[1:] == tuple(size):
        return np.asarray(planes, np.float32)
    out = np.empty((len(planes), *size), np.float32)
    for plane, target in zip(planes, out, strict=True):  # cv2 takes 4 channels at most at full speed
        cv2.resize(np.ascontiguousarray(plane, np.float32), size[::-1], dst=target)
    return out


def pasted(patch: Floats, box: Floats, size: tuple[int, int], threshold: float = 0.5) -> Mask:
    """A mask of the whole picture, of the part of it that a patch speaks of.

    `patch` [h, w]: probabilities over the area of `box` (x1, y1, x2, y2, pixels of the picture; may reach
    over its edges). `size`: (height, width) of the picture. A pixel belongs to the mask when the probability
    in its middle, bilinear between the middles of the patch's cells, is at least `threshold`.
    """
    whole = np.zeros(size, np.bool_)
    if not np.isfinite(box).all():
        return whole
    height, width = size
    left, top = (int(v) for v in np.floor(np.clip(box[:2], 0, (width, height))))
    right, bottom = (int(v) for v in np.ceil(np.clip(box[2:], 0, (width, height))))
    if right <= left or bottom <= top:
        return whole
    scale_x = patch.shape[1] / max(float(box[2] - box[0]), 1e-6)
    scale_y = patch.shape[0] / max(float(box[3] - box[1]), 1e-6)
    xs = ((np.arange(left, right) + 0.5 - box[0]) * scale_x - 0.5).astype(np.float32)
    ys = ((np.arange(top, bottom) + 0.5 - box[1]) * scale_y - 0.5).astype(np.float32)
    grid_x, grid_y = np.meshgrid(xs, ys)
    filled = cv2.remap(
        np.ascontiguousarray(patch, np.float32),
        grid_x,
        grid_y,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    whole[top:bottom, left:right] = filled >= threshold
    return whole


def mask_iou(a: Mask, b: Mask) -> float:
    """Intersection over union of two masks of one size, 0 to 1; 1 when both are empty."""
    union = int((a | b).sum())
    return int((a & b).sum()) / union if union else 1.0
