"""One box a product, out of many that a detector proposes for it."""

import numpy as np
from numpy.typing import NDArray

from edged.ops.boxes import iou

Floats = NDArray[np.floating]

AS_SURE = 0.5
"""Boxes within another one speak against it when they are at least so sure, as a share of its score."""
SMALLER = 0.6
"""And when they are smaller than so much of its area."""
APART = 0.1
"""Two boxes with a smaller IoU are two things."""


def distinct(xyxy: Floats, scores: Floats, iou_threshold: float, covered: float) -> NDArray[np.intp]:
    """Indices of the boxes to keep, best score first.

    `xyxy` [n, 4], `scores` [n]. A box around several others is a row or a shelf, no product. Of two boxes
    that overlap by more than `iou_threshold`, or of which one lies within the other by more than `covered`
    of its area, the better one stays.
    """
    if len(xyxy) == 0:
        return np.zeros(0, np.intp)
    order = np.argsort(-scores, kind="stable")
    order = order[~_around_others(xyxy[order], scores[order])]
    boxes = xyxy[order]
    overlap, inside = iou(boxes, boxes), _inside(boxes)
    rivals = (overlap > iou_threshold) | (inside > covered) | (covered < inside.T)
    kept: list[int] = []
    for position in range(len(boxes)):
        if not rivals[position, kept].any():
            kept.append(position)
    return order[kept]


def _around_others(xyxy: Floats, scores: Floats) -> NDArray[np.bool_]:
    """Which boxes hold at least two smaller ones that are apart from each other."""
    centres = (xyxy[:, None, :2] + xyxy[:, None, 2:]) / 2
    held = ((centres > xyxy[None, :, :2]) & (centres < xyxy[None, :, 2:])).all(axis=2).T
    areas = (xyxy[:, 2:] - xyxy[:, :2]).prod(axis=1)
    speaks = (areas[None] < SMALLER * areas[:, None]) & (scores[None] >= AS_SURE * scores[:, None])
    apart = iou(xyxy, xyxy) < APART
    held &= speaks
    return np.array([bool(apart[np.ix_(inner, inner)].any()) for inner in held])


def _inside(xyxy: Floats) -> Floats:
    """[n, n]: share of the area of box i that lies within box j."""
    top_left = np.maximum(xyxy[:, None, :2], xyxy[None, :, :2])
    bottom_right = np.minimum(xyxy[:, None, 2:], xyxy[None, :, 2:])
    shared = np.clip(bottom_right - top_left, 0, None).prod(axis=2)
    areas = (xyxy[:, 2:] - xyxy[:, :2]).prod(axis=1)
    return np.asarray(shared / np.maximum(areas, np.finfo(np.float32).tiny)[:, None], np.float32)
