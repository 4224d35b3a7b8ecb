"""Light and colour of a picture, apart."""

import cv2
import numpy as np

from edged.contracts.items import Pixels


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
