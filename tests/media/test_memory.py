"""What decoding takes, in a process of its own: never more than the budget reckons with."""

import struct
import subprocess
import sys

import cv2
import numpy as np
import pytest

from edged.media.picture import PictureLimits, decoding_bytes
from tests.media.test_picture import chunk, exif, jpeg_with_exif

pytestmark = pytest.mark.slow

WIDTH, HEIGHT = 2000, 1500
SCRIPT = """
import sys
import cv2, numpy
from edged.media.picture import PictureLimits, decode_picture

def kilobytes(what):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(what))

tiny = cv2.imencode(".png", numpy.zeros((8, 8, 4), numpy.uint8))[1].tobytes()
decode_picture(tiny, PictureLimits(), 0.0)
data = open(sys.argv[1], "rb").read()
open("/proc/self/clear_refs", "w").write("5")
before = kilobytes("VmRSS")
frame = decode_picture(data, PictureLimits(max_bytes=10**9), 0.0)
print(1024 * (kilobytes("VmHWM") - before), frame.width, frame.height)
"""


def photo(channels, dtype):
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (30, 40, channels), np.uint8)
    fine = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC).reshape(HEIGHT, WIDTH, channels)
    noisy = cv2.add(fine, rng.integers(0, 4, fine.shape, np.uint8)).reshape(fine.shape)
    return noisy.astype(dtype) * (257 if dtype == np.uint16 else 1)


def encoded(kind, channels=3, dtype=np.uint8, *options):
    done, data = cv2.imencode(kind, photo(channels, dtype), list(options))
    assert done
    return data.tobytes()


def turned_png(channels, dtype, orientation):
    data = encoded(".png", channels, dtype, cv2.IMWRITE_PNG_COMPRESSION, 1)
    return data[:33] + chunk(b"eXIf", exif(orientation)) + data[33:]


def animation(kind):
    made = cv2.Animation()
    made.frames, made.durations = [photo(4, np.uint8), photo(4, np.uint8)[::-1].copy()], [100, 100]
    return cv2.imencodeanimation(kind, made)[1].tobytes()


ONE_STRIP = (cv2.IMWRITE_TIFF_ROWSPERSTRIP, HEIGHT)
PROGRESSIVE = (cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111)
PICTURES = {
    "JPEG": lambda: encoded(".jpg"),
    "gray JPEG": lambda: encoded(".jpg", 1),
    "JPEG, turned": lambda: jpeg_with_exif(photo(3, np.uint8), 6),
    "progressive JPEG": lambda: encoded(".jpg", 3, np.uint8, *PROGRESSIVE),
    **{
        f"PNG, {channels} x {np.dtype(dtype).itemsize * 8} bits, turned": (
            lambda channels=channels, dtype=dtype: turned_png(channels, dtype, 7)
        )
        for channels in (1, 3, 4)
        for dtype in (np.uint8, np.uint16)
    },
    "APNG": lambda: animation(".png"),
    "WebP": lambda: encoded(".webp", 3, np.uint8, cv2.IMWRITE_WEBP_QUALITY, 80),
    "transparent WebP": lambda: encoded(".webp", 4, np.uint8, cv2.IMWRITE_WEBP_QUALITY, 80),
    "lossless WebP": lambda: encoded(".webp", 4, np.uint8, cv2.IMWRITE_WEBP_QUALITY, 101),
    "animated WebP": lambda: animation(".webp"),
    "GIF": lambda: encoded(".gif"),
    "animated GIF": lambda: animation(".gif"),
    "BMP": lambda: encoded(".bmp"),
    "BMP with alpha": lambda: encoded(".bmp", 4),
    "TIFF": lambda: encoded(".tiff"),
    "TIFF of 16 bits": lambda: encoded(".tiff", 4, np.uint16),
    "TIFF in one strip": lambda: encoded(".tiff", 4, np.uint16, *ONE_STRIP),
    "TIFF in one strip, raw": lambda: encoded(
        ".tiff", 4, np.uint16, *ONE_STRIP, cv2.IMWRITE_TIFF_COMPRESSION, 1
    ),
}


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is read from /proc")
@pytest.mark.parametrize("kind", PICTURES)
def test_no_picture_takes_more_than_is_reckoned(tmp_path, kind):
    data = PICTURES[kind]()
    (tmp_path / "picture").write_bytes(data)
    ran = [sys.executable, "-c", SCRIPT, str(tmp_path / "picture")]
    peak, width, height = map(
        int, subprocess.run(ran, capture_output=True, text=True, check=True).stdout.split()
    )
    assert {width, height} == {WIDTH, HEIGHT}
    reckoned = decoding_bytes(data, PictureLimits(max_bytes=10**9))
    assert peak <= reckoned, f"{peak / WIDTH / HEIGHT:.1f} bytes a pixel"


def test_the_number_stands_in_the_header_before_anything_is_decoded():
    tags = ((256, 7000), (257, 7000), (258, 16), (259, 1), (262, 1), (273, 8), (277, 1), (278, 1), (279, 1))
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    tiff = b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + directory + bytes(4)
    assert decoding_bytes(tiff, PictureLimits()) == 7000 * 7000 * 20 + 4_000_000
