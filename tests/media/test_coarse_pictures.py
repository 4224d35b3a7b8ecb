"""A JPEG is decoded only as finely as it is asked for, and nobody notices but by the time that it takes."""

import struct

import cv2
import numpy as np
import pytest

from edged.contracts.errors import NotMedia
from edged.contracts.items import Colour, Fit, PixelFormat
from edged.media import picture
from edged.media.frame import reduction
from edged.media.picture import PictureLimits, decode_picture

LIMITS = PictureLimits()
SMALL = PixelFormat((100, 100), Fit.STRETCH, Colour.RGB)


def jpeg(height, width, orientation=1):
    """Soft blobs of colour, brighter to the right and redder below: every turn of it is another picture."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    scene = np.dstack([255 * x / width, 127 + 100 * np.sin(x / 40) * np.cos(y / 50), 255 * y / height])
    plain = cv2.imencode(".jpg", scene.astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    exif = b"MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHIHH", 0x112, 3, 1, orientation, 0) + bytes(4)
    body = b"Exif\0\0" + exif
    return plain[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + plain[2:]


def both(data, wanted):
    return decode_picture(data, LIMITS, 0.0, wanted=wanted), decode_picture(data, LIMITS, 0.0)


@pytest.mark.parametrize(
    ("size", "wanted", "by"),
    [
        ((512, 512), (224, 224), 2),
        ((512, 512), (257, 257), 1),
        ((4000, 3000), (416, 416), 4),
        ((4000, 3000), (100, 100), 8),
        ((1000, 100), (100, 100), 1),
        ((100, 100), (416, 416), 1),
    ],
)
def test_no_coarser_than_it_is_asked_for(size, wanted, by):
    assert reduction(size, PixelFormat(wanted)) == by
    assert reduction(size, PixelFormat()) == 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("fit", [Fit.STRETCH, Fit.LETTERBOX, Fit.CROP])
def test_the_same_picture_for_any_orientation_and_fit(orientation, fit):
    wanted = PixelFormat((100, 80), fit, Colour.RGB, short_side=110 if fit is Fit.CROP else None)
    coarse, whole = both(jpeg(481, 643, orientation), wanted)
    assert (coarse.width, coarse.height) == (whole.width, whole.height)
    assert coarse.pixels(wanted).shape == whole.pixels(wanted).shape
    assert np.abs(coarse.pixels(wanted).astype(int) - whole.pixels(wanted)).mean() < 2
    assert np.array_equal(coarse.pixels(PixelFormat()), whole.pixels(PixelFormat())), "whole when asked for"


def test_it_is_decoded_once_for_what_was_announced(monkeypatch):
    flags = []
    decode = cv2.imdecode
    monkeypatch.setattr(picture.cv2, "imdecode", lambda data, how: flags.append(how) or decode(data, how))
    frame = decode_picture(jpeg(400, 400), LIMITS, 0.0, wanted=SMALL)
    frame.pixels(SMALL)
    frame.pixels(SMALL)
    assert flags == [cv2.IMREAD_REDUCED_COLOR_4]


@pytest.mark.parametrize("size", [(1001, 1002), (1002, 1001), (641, 640), (640, 640)])
def test_nearly_square_pictures_keep_their_sides(size):
    coarse, whole = both(jpeg(*size, orientation=6), SMALL)
    assert (coarse.width, coarse.height) == (whole.width, whole.height)


@pytest.mark.parametrize("share", [0.3, 0.9, 0.99])
def test_a_cut_picture_is_refused(share):
    data = jpeg(800, 800)
    with pytest.raises(NotMedia):
        decode_picture(data[: int(len(data) * share)], LIMITS, 0.0, wanted=SMALL)


def test_other_formats_are_decoded_whole():
    data = cv2.imencode(".png", np.zeros((800, 800, 3), np.uint8))[1].tobytes()
    assert decode_picture(data, LIMITS, 0.0, wanted=SMALL).pixels(SMALL).shape == (100, 100, 3)
