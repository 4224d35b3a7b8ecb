import base64
import random
import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest

from edged.contracts.errors import BadRequest, EdgedError, NotMedia, TooLarge
from edged.contracts.items import PixelFormat
from edged.media.picture import PictureLimits, decode_base64, decode_picture, encode_jpeg, encode_png

LIMITS = PictureLimits()
BLUE, GREEN, RED, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def scene(height=48, width=80):
    """Blue, green, red and white quarters, so that any turn or mirroring shows."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2] = BLUE
    picture[: height // 2, width // 2 :] = GREEN
    picture[height // 2 :, : width // 2] = RED
    picture[height // 2 :, width // 2 :] = WHITE
    return picture


def noisy(height=120, width=160):
    """Something that does not compress to nothing."""
    return cv2.GaussianBlur(
        np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8), (0, 0), 2
    )


def encoded(kind, picture, *options):
    done, data = cv2.imencode(kind, picture, list(options))
    assert done
    return data.tobytes()


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width, height, depth, colour, rows, *extra):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def exif(orientation):
    return b"MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHIHH", 0x112, 3, 1, orientation, 0) + bytes(4)


def jpeg_with_exif(picture, orientation):
    body = b"Exif\0\0" + exif(orientation)
    plain = encoded(".jpg", picture, cv2.IMWRITE_JPEG_QUALITY, 95)
    return plain[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + plain[2:]


def with_alpha(picture):
    """The left half invisible, the right half opaque."""
    alpha = np.full(picture.shape[:2], np.iinfo(picture.dtype).max, picture.dtype)
    alpha[:, : picture.shape[1] // 2] = 0
    return np.dstack([picture, alpha])


def cmyk_jpeg():
    """An 8 x 8 Adobe CMYK JPEG written by hand: four components, and each coefficient is zero."""
    tables = encoded(".jpg", np.zeros((8, 8, 3), np.uint8))
    dht = tables[tables.index(b"\xff\xc4") : tables.index(b"\xff\xda")]
    dqt = b"\xff\xdb" + struct.pack(">HB", 67, 0) + bytes([1] * 64)
    sof = (
        b"\xff\xc0"
        + struct.pack(">HBHHB", 20, 8, 8, 8, 4)
        + b"".join(bytes([i, 0x11, 0]) for i in range(1, 5))
    )
    adobe = b"\xff\xee" + struct.pack(">H", 14) + b"Adobe\0\x64\0\0\0\0\0"
    sos = b"\xff\xda" + struct.pack(">HB", 14, 4) + b"".join(bytes([i, 0]) for i in range(1, 5)) + b"\0\x3f\0"
    # DC difference 0 is the code 00, end of block 1010: six bits a component, then padding with ones
    return (
        b"\xff\xd8"
        + adobe
        + dqt
        + sof
        + dht
        + sos
        + bytes([0b00101000, 0b10100010, 0b10001010])
        + b"\xff\xd9"
    )


def decode(data, limits=LIMITS):
    frame = decode_picture(data, limits, 12.5, 3)
    pixels = frame.pixels(PixelFormat())
    assert (frame.height, frame.width) == pixels.shape[:2]
    assert (frame.captured_at, frame.seq) == (12.5, 3)
    assert pixels.dtype == np.uint8
    return pixels


def corners(pixels):
    """Top left, top right, bottom left, bottom right, rounded to full colours."""
    height, width = pixels.shape[:2]
    spots = ((0, 0), (0, width - 1), (height - 1, 0), (height - 1, width - 1))
    return [tuple((pixels[y, x] > 127) * 255) for y, x in spots]


@pytest.mark.parametrize("kind", [".jpg", ".png", ".webp", ".bmp", ".tiff", ".gif"])
def test_every_format_of_the_contract(kind):
    assert corners(decode(encoded(kind, scene()))) == [BLUE, GREEN, RED, WHITE]


@pytest.mark.parametrize("kind", [".jpg", ".png", ".webp", ".bmp", ".tiff", ".gif"])
def test_a_single_pixel(kind):
    assert decode(encoded(kind, np.full((1, 1, 3), 255, np.uint8))).shape == (1, 1, 3)


TURNED = {
    1: [BLUE, GREEN, RED, WHITE],
    2: [GREEN, BLUE, WHITE, RED],
    3: [WHITE, RED, GREEN, BLUE],
    4: [RED, WHITE, BLUE, GREEN],
    5: [BLUE, RED, GREEN, WHITE],
    6: [RED, BLUE, WHITE, GREEN],
    7: [WHITE, GREEN, RED, BLUE],
    8: [GREEN, WHITE, BLUE, RED],
}


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "transparent PNG"])
def test_exif_orientation_is_honoured(kind, orientation):
    match kind:
        case "JPEG":
            data = jpeg_with_exif(scene(), orientation)
        case _:
            picture = scene() if kind == "PNG" else np.dstack([scene(), np.full((48, 80), 254, np.uint8)])
            plain = encoded(".png", picture)
            data = plain[:33] + chunk(b"eXIf", exif(orientation)) + plain[33:]
    pixels = decode(data)
    assert pixels.shape == ((48, 80, 3) if orientation < 5 else (80, 48, 3))
    assert corners(pixels) == TURNED[orientation]


def test_damaged_exif_is_ignored():
    plain = encoded(".png", scene())
    data = plain[:33] + chunk(b"eXIf", exif(6)[:14]) + plain[33:]
    assert corners(decode(data)) == TURNED[1]


@pytest.mark.parametrize("kind", [".png", ".tiff"])
def test_sixteen_bits_become_eight(kind):
    assert np.array_equal(decode(encoded(kind, noisy().astype(np.uint16) * 257)), noisy())


@pytest.mark.parametrize("kind", [".jpg", ".png", ".bmp", ".tiff"])
def test_gray_becomes_bgr(kind):
    pixels = decode(encoded(kind, np.full((5, 7), 200, np.uint8)))
    assert pixels.shape == (5, 7, 3)
    assert (pixels == 200).all()


def test_cmyk_jpeg():
    pixels = decode(cmyk_jpeg())
    assert pixels.shape == (8, 8, 3)
    assert (abs(pixels.astype(int) - 64) <= 2).all()  # half of the ink on half of the black


def test_palette_png():
    palette = chunk(b"PLTE", bytes([255, 0, 0, 0, 255, 0]))
    pixels = decode(png(2, 1, 8, 3, zlib.compress(b"\0\0\1"), palette))
    assert pixels.tolist() == [[[0, 0, 255], [0, 255, 0]]]


@pytest.mark.parametrize(("kind", "dtype"), [(".png", np.uint8), (".png", np.uint16), (".webp", np.uint8)])
def test_transparency_is_laid_on_white(kind, dtype):
    picture = scene().astype(dtype) * (257 if dtype == np.uint16 else 1)
    assert corners(decode(encoded(kind, with_alpha(picture)))) == [WHITE, GREEN, WHITE, WHITE]


def test_half_transparent_is_mixed_with_white():
    assert decode(encoded(".png", np.array([[[0, 0, 100, 51]]], np.uint8))).tolist() == [[[204, 204, 224]]]


@pytest.mark.parametrize("kind", [".png", ".webp", ".gif"])
def test_of_an_animation_the_first_frame(kind):
    animation = cv2.Animation()
    animation.frames = [scene(), scene()[::-1].copy()]
    animation.durations = [100, 100]
    done, data = cv2.imencodeanimation(kind, animation)
    assert done
    assert corners(decode(data.tobytes())) == TURNED[1]


@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("kind", [".jpg", "progressive", ".png", ".webp", ".bmp", ".tiff", ".gif"])
def test_a_truncated_picture_is_refused(kind, share):
    options = (cv2.IMWRITE_JPEG_PROGRESSIVE, 1) if kind == "progressive" else ()
    data = encoded(".jpg" if options else kind, noisy(), *options)
    with pytest.raises(NotMedia, match="completely"):
        decode(data[: int(len(data) * share)])


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"\xff\xd8\xff", b"GIF89a", b"BM", b"II*\0", bytes(1000), b"<svg/>"]
)
def test_no_picture(data):
    with pytest.raises(NotMedia):
        decode(data)


def test_bytes_over_the_limit():
    with pytest.raises(TooLarge, match="over the limit of 100;"):
        decode(encoded(".jpg", scene()), PictureLimits(max_bytes=100))


def bombs(side=30_000):
    """Files of some bytes that promise side x side pixels."""
    le, be = struct.pack("<HH", side, side), struct.pack(">HH", side, side)
    jpeg, gif = encoded(".jpg", scene()), encoded(".gif", scene())
    sof = jpeg.index(b"\xff\xc0") + 5
    wide = (16383 - 1).to_bytes(3, "little")
    entries = (
        (256, side),
        (257, side),
        (258, 8),
        (259, 1),
        (262, 1),
        (273, 8),
        (277, 1),
        (278, side),
        (279, 1),
    )
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    tiled = struct.pack("<HHIIHHIIHHIIHHII", 256, 4, 1, 1, 257, 4, 1, 1, 322, 4, 1, side, 323, 4, 1, side)
    return {
        "PNG": png(side, side, 8, 2, zlib.compress(bytes(side * 3 + 1))),
        "JPEG": jpeg[:sof] + be + jpeg[sof + 4 :],
        "GIF": gif[:6] + le + gif[10:],
        "BMP": encoded(".bmp", scene())[:18] + struct.pack("<ii", side, -side) + bytes(100),
        "WebP": b"RIFF\0\0\0\0WEBPVP8 \0\0\0\0\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 16383, 16383),
        "WebP lossless": b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f" + struct.pack("<I", (1 << 28) - 1),
        "WebP extended": b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + wide + wide,
        "TIFF": b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + directory + bytes(4),
        "TIFF tile": b"II*\0\x08\0\0\0" + struct.pack("<H", 4) + tiled + bytes(4),
        "APNG frame": png(
            1, 1, 8, 0, zlib.compress(b"\0\0"), chunk(b"fcTL", struct.pack(">III", 0, side, side))
        ),
    }


@pytest.mark.parametrize("kind", bombs())
def test_a_bomb_is_refused_before_the_decoder_sees_it(kind, monkeypatch):
    def decoder(*_args, **_named):
        pytest.fail("the decoder was called")

    monkeypatch.setattr(cv2, "imdecode", decoder)
    monkeypatch.setattr(cv2, "imdecodeWithMetadata", decoder)
    with pytest.raises(TooLarge, match="over the limit of 50000000 pixels"):
        decode(bombs()[kind])


def test_a_jpeg_of_endless_scans_is_refused():
    data = encoded(".jpg", scene(), cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    scan = data.rindex(b"\xff\xda")
    with pytest.raises(TooLarge, match="more than 100 scans"):
        decode(data[:-2] + data[scan:-2] * 200 + b"\xff\xd9")


def test_memory_stays_bounded_whatever_the_file_promises(tmp_path):
    files = [*bombs().values()]
    body = encoded(".png", scene())
    files += [body[:33] + struct.pack(">I", 0x7FFFFFFF) + body[37:]]  # OpenCV allocates what a chunk promises
    for i, data in enumerate(files):
        (tmp_path / f"{i}").write_bytes(data)
    script = (
        "import resource, sys, pathlib\n"
        "from edged.media.picture import *\n"
        "from edged.contracts.errors import EdgedError\n"
        "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for path in pathlib.Path(sys.argv[1]).iterdir():\n"
        "    try: decode_picture(path.read_bytes(), PictureLimits(), 0.0)\n"
        "    except EdgedError: pass\n"
        "    else: sys.exit(f'{path} was decoded')\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 40_000  # KB


def test_noise_in_a_picture_is_an_answer_never_another_exception():
    chance = random.Random(0)
    pictures = [encoded(k, scene(12, 20)) for k in (".jpg", ".png", ".webp", ".bmp", ".tiff", ".gif")]
    limits = PictureLimits(max_pixels=1_000_000)
    for _ in range(600):
        data = bytearray(chance.choice(pictures))
        for _ in range(chance.choice((1, 3, 10))):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            decode_picture(bytes(data), limits, 0.0)
        except EdgedError as error:
            assert error.code in (413, 415)


def test_base64_with_and_without_the_prefix():
    text = base64.b64encode(b"any bytes").decode()
    assert decode_base64(text, "image", LIMITS) == b"any bytes"
    assert decode_base64(f"data:image/svg+xml;base64,{text}", "image", LIMITS) == b"any bytes"


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
def test_base64_may_be_broken_into_lines_as_mime_does(prefix):
    data = bytes(range(256))
    text = base64.encodebytes(data).decode().replace("\n", "\r\n") + " "
    assert decode_base64(prefix + text, "image", LIMITS) == data
    exact = PictureLimits(max_bytes=len(data))
    assert decode_base64(prefix + text, "image", exact) == data, "white space counts for nothing"


@pytest.mark.parametrize("text", ["no base64!", "YWJ", "ÄÖÜß", "data:text/html;base64,YWJj", "YW=Jj"])
def test_what_is_not_base64_names_the_field(text):
    with pytest.raises(BadRequest, match="`imagea` is not Base64"):
        decode_base64(text, "imagea", LIMITS)


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
@pytest.mark.parametrize("space", ["\n", "\r\n", " ", "\t"])
def test_base64_may_be_broken_into_lines(prefix, space):
    letters = space.join(["YW55", "IGJ5", "dGVz"])
    text = f"{space}{prefix}{space}{letters}{space}"
    assert decode_base64(text, "image", LIMITS) == b"any bytes"


@pytest.mark.parametrize("text", ["", "data:image/png;base64,"])
def test_missing_base64_names_the_field(text):
    with pytest.raises(BadRequest, match="`imageb` is missing"):
        decode_base64(text, "imageb", LIMITS)


def test_base64_size_is_checked_before_decoding():
    text = base64.b64encode(bytes(100)).decode()
    assert len(decode_base64(text, "image", PictureLimits(max_bytes=100))) == 100
    with pytest.raises(TooLarge, match=r"`image` has 100 bytes, over the limit of 99"):
        decode_base64(text, "image", PictureLimits(max_bytes=99))
    with pytest.raises(TooLarge):
        decode_base64("!" * 1000, "image", PictureLimits(max_bytes=99))


def test_encoders():
    assert np.array_equal(decode(encode_png(noisy())), noisy())
    assert abs(decode(encode_jpeg(noisy(), 95)).astype(int) - noisy()).mean() < 3
    assert len(encode_jpeg(noisy(), 30)) < len(encode_jpeg(noisy()))
