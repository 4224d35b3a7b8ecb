"""Light and colour of a picture, apart, and colour from places of another picture that look alike."""

import cv2
import numpy as np
from numpy.typing import NDArray

from edged.contracts.items import Pixels

Reals = NDArray[np.float32]


def lab(bgr: Pixels) -> Reals:
    """[height, width, 3] BGR as CIE Lab: L of 0 to 100, a and b of about -128 to 127."""
    return np.asarray(cv2.cvtColor(bgr.astype(np.float32) / 255, cv2.COLOR_BGR2Lab), np.float32)


def likeness(asked: Reals, known: Reals) -> Reals:
    """[n, m]: cosines of the features [n, d] and [m, d], as seen from the mean of those that are known."""
    middle = known.mean(axis=0)
    a, b = (
        away / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-6)
        for away in (asked - middle, known - middle)
    )
    return np.asarray(a @ b.T, np.float32)


def colour_of_likest(likeness: Reals, colour: Reals, *, most: int, softness: float, doubt: float) -> Reals:
    """[n, 2]: a and b for places of which it is known how like [n, m] they are to others with a and b [m, 2].

    The mean of the `most` likest, each weighed by exp(likeness / `softness`); the more these disagree (their
    variance against the square of their mean, times `doubt`), the less of it.
    """
    most = min(most, likeness.shape[1])
    likest = np.argpartition(likeness, -most, axis=1)[:, -most:]
    scores = np.take_along_axis(likeness, likest, axis=1)
    weights = np.exp((scores - scores.max(axis=1, keepdims=True)) / softness)
    weights = (weights / weights.sum(axis=1, keepdims=True))[..., None]
    mean = (weights * colour[likest]).sum(axis=1)
    variance = (weights * (colour[likest] - mean[:, None]) ** 2).sum(axis=(1, 2))
    strength = (mean**2).sum(axis=1)
    sure = strength / (strength + doubt * variance + 1e-6)
    return np.asarray(mean * sure[:, None], np.float32)


def along_light(values: Reals, light: Reals, radius: int, smoothness: float) -> Reals:
    """`values` [height, width, n], with their edges where those of `light` [height, width] (0 to 1) are.

    A guided filter (He, Sun, Tang: Guided Image Filtering, ECCV 2010): within `radius` pixels each is a line
    over the light, the flatter the less the light varies against `smoothness`.
    """

    def mean(plane: NDArray[np.floating]) -> Reals:
        side = 2 * radius + 1
        return np.asarray(cv2.blur(plane, (side, side), borderType=cv2.BORDER_REFLECT), np.float32)

    middle = mean(light)
    spread = mean(light * light) - middle * middle + np.float32(smoothness)
    planes = []
    for plane in np.moveaxis(values, 2, 0):
        around = mean(plane)
        slope = (mean(light * plane) - middle * around) / spread
        planes.append(mean(slope) * light + mean(around - slope * middle))
    return np.stack(planes, axis=2)


def with_colour_of(painted: Pixels, picture: Pixels) -> Pixels:
    """`picture` [height, width, 3] BGR with the colour of `painted` [h, w, 3] BGR, enlarged to its size.

    Light is Y of BT.601. It stays as it is; where the colour does not fit into the range of RGB with it, the
    colour fades until it does.
    """
    size = picture.shape[1], picture.shape[0]
    colour = cv2.resize(cv2.cvtColor(painted, cv2.COLOR_BGR2YCrCb), size, interpolation=cv2.INTER_LINEAR)
    light = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32)
    red, blue = (colour[..., channel].astype(np.float32) - 128 for channel in (1, 2))
    # How far each of B, G and R goes away from the light, as cv2 turns YCrCb into BGR.
    away = np.stack([1.773 * blue, -0.714 * red - 0.344 * blue, 1.403 * red], axis=2)
    room = np.where(away > 0, 255 - light[..., None], light[..., None])
    reach = np.abs(away)
    fits = np.divide(room, reach, out=np.ones_like(room), where=reach > room).min(axis=2, keepdims=True)
    return np.asarray((light[..., None] + away * fits).round().clip(0, 255), np.uint8)
