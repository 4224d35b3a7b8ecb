"""Faces: brought upright to a given place by their landmarks, and blended back where they came from."""

import cv2
import numpy as np
from numpy.typing import NDArray

from edged.contracts.items import Pixels

Floats = NDArray[np.floating]


def similarity(source: Floats, target: Floats) -> NDArray[np.float64]:
    """Turn, one scale and shift [2, 3] that brings points [n, 2] nearest to others [n, 2], by least squares.

    Umeyama, https://doi.org/10.1109/34.88573, without mirroring. Raises `ValueError` when all points are one.
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    middle_s, middle_t = source.mean(axis=0), target.mean(axis=0)
    s, t = source - middle_s, target - middle_t
    spread = (s**2).sum()
    if not np.isfinite(spread) or spread <= 0:
        raise ValueError("landmarks that all lie in one point have no direction")
    # As complex numbers a turn with a scale is one factor, and its least squares solution a division.
    factor = ((t[:, 0] + 1j * t[:, 1]) * (s[:, 0] - 1j * s[:, 1])).sum() / spread
    linear = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    return np.column_stack([linear, middle_t - linear @ middle_s])


def aligned(
    picture: Pixels, landmarks: Floats, template: Floats, size: tuple[int, int]
) -> tuple[Pixels, NDArray[np.float64]]:
    """A face brought to where `template` [5, 2] (x, y in pixels of the chip) wants its `landmarks` [5, 2].

    `size`: (height, width) of the chip. Returns the chip and the matrix [2, 3] from picture to chip. Beyond
    the picture's edge its last pixels go on.
    """
    matrix = similarity(landmarks, template)
    return warped(picture, matrix, size), matrix


def square_chip(picture: Pixels, box: Floats, padding: float, side: int) -> Pixels:
    """[side, side, 3]: the square around a box (x1, y1, x2, y2), of its longer side times `padding`."""
    centre = (np.asarray(box[:2], np.float64) + box[2:]) / 2
    scale = side / max(float(max(box[2] - box[0], box[3] - box[1])) * padding, 1.0)
    # A box counts from the edges of pixels, a matrix from their middles, half a pixel further.
    matrix = np.column_stack([np.eye(2) * scale, (side - 1) / 2 - scale * (centre - 0.5)])
    return warped(picture, matrix, (side, side))


def warped(picture: Pixels, matrix: Floats, size: tuple[int, int]) -> Pixels:
    """A part of a picture under a matrix [2, 3]; shrunk without aliasing. `size`: (height, width)."""
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if scale < 0.5:  # cv2 would look at 4 pixels of many: average them first
        by = int(1 / scale)
        corners = _corners(matrix, size)
        left, top = np.maximum(np.floor(corners.min(axis=0)).astype(int) - by, 0)
        right, bottom = np.maximum(np.ceil(corners.max(axis=0)).astype(int) + by, 0)
        part = picture[top:bottom, left:right]
        if min(part.shape[:2]) >= by:
            small_size = part.shape[1] // by, part.shape[0] // by
            small = cv2.resize(part, small_size, interpolation=cv2.INTER_AREA)
            step = np.array([part.shape[1] / small_size[0], part.shape[0] / small_size[1]])
            # Middle of a small pixel i is at (i + .5) * step - .5 of the part.
            back = np.column_stack([np.diag(step), (step - 1) / 2 + (left, top)])
            matrix = np.asarray(matrix[:, :2] @ back + np.column_stack([np.zeros((2, 2)), matrix[:, 2]]))
            picture = np.asarray(small, np.uint8)
    chip = cv2.warpAffine(
        picture,
        np.asarray(matrix, np.float64),
        size[::-1],
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(chip, np.uint8)


def blended(picture: Pixels, chip: Pixels, matrix: Floats, feather: float, strength: float = 1.0) -> None:
    """Lay a restored chip [h, w, 3] back into `picture`, in place, without a seam.

    `matrix` [2, 3] from picture to chip; `feather`: share of the chip's shorter side over which it fades out
    at its edges; `strength`: 0 leaves the picture, 1 takes the chip. Only the face's surroundings are
    touched; a chip that is larger than the face was is averaged.
    """
    height, width = picture.shape[:2]
    corners = _corners(matrix, chip.shape[:2])
    left, top = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, (width, height))
    right, bottom = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 1, 0, (width, height))
    if right <= left or bottom <= top:
        return
    moved = np.array(matrix, np.float64)
    moved[:, 2] += moved[:, :2] @ (left, top)
    extent = int(right - left), int(bottom - top)
    fresh = warped(chip, cv2.invertAffineTransform(moved), extent[::-1])
    fading = _fading(chip.shape[:2], feather) * strength
    share = cv2.warpAffine(fading, moved, extent, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)[..., None]
    part = picture[top:bottom, left:right]
    mixed = part + (fresh.astype(np.float32) - part) * share
    np.copyto(part, mixed.round().astype(np.uint8))


def _corners(matrix: Floats, size: tuple[int, ...]) -> NDArray[np.float64]:
    """Where the corners of a chip of (height, width) lie in the picture, [4, 2]."""
    back = cv2.invertAffineTransform(np.asarray(matrix, np.float64))
    height, width = size[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
    return np.asarray(corners @ back[:, :2].T + back[:, 2], np.float64)


def _fading(size: tuple[int, ...], feather: float) -> NDArray[np.float32]:
    """[height, width] f32: 1 inside, down to 0 at the edges."""
    height, width = size[:2]
    reach = max(1.0, feather * min(height, width))
    x, y = (np.minimum(np.arange(n), np.arange(n)[::-1]) / reach for n in (width, height))
    ramp = np.clip(np.minimum(y[:, None], x[None]), 0, 1).astype(np.float32)
    return np.asarray(ramp * ramp * (3 - 2 * ramp), np.float32)
