from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import cast

import av
import cv2
import numpy as np
import pytest

from edged.contracts.items import Colour, Fit, Frame, PixelFormat
from edged.media.frame import PictureFrame, VideoFrame
from edged.ops.image import place

SIZES = [None, (416, 416), (97, 131), (33, 640), (1, 1), (700, 900)]
FORMATS = [PixelFormat(s, f, c, 114) for s, f, c in product(SIZES, Fit, Colour)]


def smooth(height, width):
    """Soft colours of all kinds, the same at any size, so that ways of resizing agree."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    y, x = y / height, x / width
    channels = [128 + 90 * np.sin(3 * x), 128 + 90 * np.cos(2 * y), 60 + 120 * x * y]
    return np.dstack(channels).round().astype(np.uint8)


def decoded(bgr, pix_fmt="yuv420p", colorspace=2, color_range=0):
    """As it would come from a decoder."""
    frame = av.VideoFrame.from_ndarray(bgr, "bgr24").reformat(
        format=pix_fmt, dst_colorspace={2: None, 1: "ITU709"}[colorspace], dst_color_range=color_range
    )
    frame.colorspace, frame.color_range = colorspace, color_range
    return frame


def frame_of(kind, height=270, width=481):
    if kind == "picture":
        return PictureFrame(smooth(height, width), 1.5, 7)
    return VideoFrame(decoded(smooth(height, width), kind), 1.5, 7)


@pytest.mark.parametrize("kind", ["picture", "yuv420p", "yuvj422p", "nv12", "yuyv422", "gray"])
@pytest.mark.parametrize("wanted", FORMATS, ids=str)
def test_shape_and_padding_are_those_of_place(kind, wanted):
    frame = frame_of(kind)
    pixels = frame.pixels(wanted)
    rows, columns = place(frame.height, frame.width, wanted).size
    canvas = (rows, columns) if wanted.size is None else wanted.size
    assert pixels.shape == (canvas if wanted.colour is Colour.GRAY else (*canvas, 3))
    assert pixels.dtype == np.uint8
    assert (pixels[rows:] == 114).all()
    assert (pixels[:, columns:] == 114).all()


@pytest.mark.parametrize("colorspace", [1, 2], ids=["BT.709", "unspecified"])
@pytest.mark.parametrize("color_range", [1, 2], ids=["limited", "full"])
@pytest.mark.parametrize("height", [270, 271])
@pytest.mark.parametrize("width", [480, 481, 486])  # 486: lines of the chroma planes are padded
def test_colours_survive_the_quick_way(colorspace, color_range, height, width):
    source = decoded(smooth(height, width), "yuv420p", colorspace, color_range)
    if width == 486:
        assert source.planes[1].line_size > source.planes[1].width
    frame = VideoFrame(source, 0.0, 0)
    for size in ((135, 240), (101, 77)):
        expected = smooth(*size).astype(int)
        got = frame.pixels(PixelFormat(size)).astype(int)
        assert abs(got - expected).max() <= 8
        assert abs(got - expected).mean() <= 2
        gray = cv2.cvtColor(expected.astype(np.uint8), cv2.COLOR_BGR2GRAY).astype(int)
        limit = 4 if colorspace == 2 else 20  # BT.709 weighs the colours otherwise
        assert abs(frame.pixels(PixelFormat(size, colour=Colour.GRAY)) - gray).mean() <= limit


@pytest.mark.parametrize("kind", ["yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p"])
def test_the_quick_way_agrees_with_swscale(kind):
    """4:2:2 in full range is what cameras send as MJPEG."""
    frame = frame_of(kind)
    whole = frame.pixels(PixelFormat())
    small = frame.pixels(PixelFormat((135, 240)))
    assert abs(cv2.resize(whole, (240, 135)).astype(int) - small).mean() < 2


def test_rgb_is_bgr_turned_round():
    for kind in ("picture", "yuv420p"):
        frame = frame_of(kind)
        bgr, rgb = (frame.pixels(PixelFormat((64, 64), Fit.LETTERBOX, c)) for c in (Colour.BGR, Colour.RGB))
        assert np.array_equal(bgr[:, :, ::-1], rgb)


def test_each_format_is_converted_once():
    for kind in ("picture", "yuv420p"):
        frame = frame_of(kind)
        wanted = PixelFormat((64, 64))
        assert frame.pixels(wanted) is frame.pixels(PixelFormat((64, 64)))


def test_it_is_a_frame():
    for kind in ("picture", "yuv420p"):
        frame = frame_of(kind)
        assert isinstance(frame, Frame)
        assert (frame.width, frame.height, frame.captured_at, frame.seq) == (481, 270, 1.5, 7)


class Turned:
    """A decoded frame whose side data says that it must be turned."""

    def __init__(self, frame, rotation):
        self._frame = frame
        self.rotation = rotation

    def __getattr__(self, name):
        return getattr(self._frame, name)


@pytest.mark.parametrize(("rotation", "turns"), [(0, 0), (90, 1), (-90, 3), (180, 2), (-180, 2)])
def test_rotation_counts_counterclockwise(rotation, turns):
    source = smooth(120, 200)
    upright = np.rot90(source, turns)
    frame = VideoFrame(cast("av.VideoFrame", Turned(decoded(source), rotation)), 0.0, 0)
    assert (frame.height, frame.width) == upright.shape[:2]
    assert abs(frame.pixels(PixelFormat()).astype(int) - upright).mean() < 4
    wanted = PixelFormat((60, 60), Fit.LETTERBOX)
    rows, columns = place(upright.shape[0], upright.shape[1], wanted).size
    expected = cv2.resize(np.ascontiguousarray(upright), (columns, rows)).astype(int)
    assert abs(frame.pixels(wanted)[:rows, :columns] - expected).mean() < 4


@pytest.mark.parametrize("colour", Colour)
@pytest.mark.parametrize("kind", ["picture", "yuv420p", "yuvj420p", "nv12"])
@pytest.mark.parametrize("size", [(270, 481), (271, 480), (481, 270)])
def test_a_crop_is_the_middle_of_the_scaled_picture(kind, colour, size):
    frame = frame_of(kind, *size)
    scale = 128 / min(size)
    whole = frame.pixels(PixelFormat((round(size[0] * scale), round(size[1] * scale)), colour=colour))
    top, left = (whole.shape[0] - 112) // 2, (whole.shape[1] - 96) // 2
    expected = whole[top : top + 112, left : left + 96].astype(int)
    got = frame.pixels(PixelFormat((112, 96), Fit.CROP, colour, short_side=128))
    assert abs(got - expected).max() <= 4, "not more than half a pixel away, on soft colours"


def test_a_crop_of_a_turned_frame_is_upright():
    source = smooth(120, 200)
    frame = VideoFrame(cast("av.VideoFrame", Turned(decoded(source), 90)), 0.0, 0)
    wanted = PixelFormat((80, 60), Fit.CROP, short_side=90)
    expected = PictureFrame(np.ascontiguousarray(np.rot90(source)), 0.0).pixels(wanted).astype(int)
    assert frame.pixels(wanted).shape == (80, 60, 3)
    assert abs(frame.pixels(wanted) - expected).mean() < 3


@pytest.mark.parametrize("kind", ["picture", "yuv420p", "nv12"])
def test_eight_threads_on_one_frame(kind):
    alone = {wanted: frame_of(kind).pixels(wanted) for wanted in FORMATS}
    for _ in range(5):
        frame = frame_of(kind)
        with ThreadPoolExecutor(8) as pool:
            got = list(pool.map(frame.pixels, FORMATS * 8))
        for wanted, pixels in zip(FORMATS * 8, got, strict=True):
            assert np.array_equal(pixels, alone[wanted])
        assert len({id(pixels) for pixels in got}) == len({id(frame.pixels(wanted)) for wanted in FORMATS})
