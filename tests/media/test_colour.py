"""Planes of video and pixels: converted exactly, both ways."""

from itertools import product

import av
import numpy as np
import pytest
from av.video.reformatter import Interpolation

from edged.media.colour import bgr_of_yuv, halved, yuv_of_bgr

MATRICES = ["bt601", "bt709", "bt2020"]
WAYS = list(product(MATRICES, [False, True]))
SHARES = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}


def picture(height, width):
    """Soft colours with some noise of light, none near the ends."""
    y, x = np.mgrid[0:height, 0:width]
    noise = np.random.default_rng(1).normal(0, 8, (height, width))
    channels = [128 + 60 * np.sin(x / 50), 128 + 60 * np.cos(y / 40), 60 + 90 * x * y / width / height]
    return np.dstack([c + noise for c in channels]).clip(0, 255).astype(np.uint8)


def by_definition(planes, matrix, full_range):
    """As ITU-R writes it, a pixel at a time."""
    red, blue = SHARES[matrix]
    green = 1 - red - blue
    light, chroma = planes[0].astype(float), [plane.astype(float) - 128 for plane in planes[1:]]
    height, width = light.shape
    bgr = np.empty((height, width, 3))
    for row, column in product(range(height), range(width)):
        y = light[row, column] if full_range else (light[row, column] - 16) * 255 / 219
        u, v = (at(plane, row / 2 - 0.25, column / 2) * (1 if full_range else 255 / 224) for plane in chroma)
        b, r = y + 2 * (1 - blue) * u, y + 2 * (1 - red) * v
        bgr[row, column] = b, (y - blue * b - red * r) / green, r
    return bgr.clip(0, 255)


def at(plane, row, column):
    """Between four places."""
    rows, columns = plane.shape
    row, column = np.clip(row, 0, rows - 1), np.clip(column, 0, columns - 1)
    top, left = int(row), int(column)
    down, right = row - top, column - left
    bottom, end = min(top + 1, rows - 1), min(left + 1, columns - 1)
    above = plane[top, left] * (1 - right) + plane[top, end] * right
    below = plane[bottom, left] * (1 - right) + plane[bottom, end] * right
    return above * (1 - down) + below * down


@pytest.mark.parametrize(("matrix", "full_range"), WAYS)
@pytest.mark.parametrize("size", [(1, 1), (2, 2), (5, 7), (70, 18)])  # 70: more than one band
def test_it_is_what_the_recommendations_say(matrix, full_range, size):
    random = np.random.default_rng(2)
    small = (size[0] + 1) // 2, (size[1] + 1) // 2
    planes = tuple(random.integers(16, 236, shape).astype(np.uint8) for shape in (size, small, small))
    bgr = bgr_of_yuv(planes, matrix, full_range)
    assert bgr.dtype == np.uint8
    assert abs(bgr - by_definition(planes, matrix, full_range)).max() <= 0.501


@pytest.mark.parametrize(("matrix", "full_range"), WAYS)
@pytest.mark.parametrize("size", [(120, 160), (121, 161)])
def test_there_and_back_nothing_is_lost(matrix, full_range, size):
    planes = yuv_of_bgr(picture(*size), matrix, full_range)
    again = yuv_of_bgr(bgr_of_yuv(planes, matrix, full_range), matrix, full_range)
    for before, after in zip(planes, again, strict=True):
        assert before.dtype == after.dtype == np.uint8
        assert before.shape == after.shape
        assert abs(before.astype(int) - after).mean() < 0.02
    assert abs(bgr_of_yuv(planes, matrix, full_range).astype(int) - picture(*size)).mean() < 0.5


@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
def test_the_slow_way_of_swscale_agrees(matrix):
    planes = yuv_of_bgr(picture(120, 160), matrix)
    frame = av.VideoFrame.from_ndarray(
        np.vstack([planes[0], *(p.reshape(-1, 160) for p in planes[1:])]), "yuv420p"
    )
    exact = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
    space = {"bt601": "ITU601", "bt709": "ITU709"}[matrix]
    theirs = frame.reformat(format="bgr24", interpolation=exact, src_colorspace=space).to_ndarray()
    assert abs(theirs.astype(int) - bgr_of_yuv(planes, matrix)).mean() < 0.5


def test_the_range():
    white, black = np.full((4, 4, 3), 255, np.uint8), np.zeros((4, 4, 3), np.uint8)
    assert [np.unique(p).tolist() for p in yuv_of_bgr(white, "bt709")] == [[235], [128], [128]]
    assert [np.unique(p).tolist() for p in yuv_of_bgr(white, "bt709", True)] == [[255], [128], [128]]
    assert [np.unique(p).tolist() for p in yuv_of_bgr(black, "bt601")] == [[16], [128], [128]]
    assert (bgr_of_yuv(yuv_of_bgr(white, "bt601"), "bt601") == 255).all()
    beyond = tuple(np.full(shape, 255, np.uint8) for shape in ((4, 4), (2, 2), (2, 2)))
    assert (bgr_of_yuv(beyond, "bt601")[..., 0] == 255).all()


def test_chroma_of_every_pixel_goes_where_mpeg_has_it():
    chroma = np.tile(np.arange(0, 80, 10, np.uint8), (4, 1))
    assert halved(chroma)[:, 1:].tolist() == [[20, 40, 60]] * 2
    assert halved(chroma.T.copy())[1:, 0].tolist() == [25, 45, 65]
    assert halved(chroma, wide=False).shape == (2, 8)
