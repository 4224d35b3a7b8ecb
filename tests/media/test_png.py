"""PNGs are written anew before libpng sees them: the same picture, and nothing to complain about."""

import random
import struct
import zlib

import cv2
import numpy as np
import pytest

from edged.contracts.errors import EdgedError, NotMedia
from edged.media.picture import PictureLimits, decode_picture
from edged.media.png import plain
from tests.media.test_picture import chunk, decode, encoded, noisy, png, scene, with_alpha

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
KINDS = [
    *((0, depth) for depth in (1, 2, 4, 8, 16)),
    *((3, depth) for depth in (1, 2, 4, 8)),
    *((colour, depth) for colour in (2, 4, 6) for depth in (8, 16)),
]
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def any_png(colour, depth, *, interlaced=False, size=(37, 29), extra=()):
    """Random rows with random filters: every such file is a picture."""
    chance, (width, height), rows = random.Random(colour * 100 + depth), size, b""
    for left, top, across, down in ADAM7 if interlaced else ((0, 0, 1, 1),):
        columns, lines = -(-(width - left) // across), -(-(height - top) // down)
        if columns < 1:
            continue  # a pass of a tiny picture has no rows, so no filters either
        length = -(-columns * CHANNELS[colour] * depth // 8)
        rows += b"".join(bytes([chance.randrange(5)]) + chance.randbytes(length) for _ in range(lines))
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    palette = [chunk(b"PLTE", bytes(range(3 << depth)))] if colour == 3 and depth < 8 else []
    if colour == 3 and depth == 8:
        palette = [chunk(b"PLTE", chance.randbytes(768))]
    packed, parts = zlib.compress(rows), []
    for at in range(0, len(packed), 100):
        parts.append(chunk(b"IDAT", packed[at : at + 100]))
    whole = [chunk(b"IHDR", header), *palette, *extra, *parts, chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(whole)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("colour", "depth"), KINDS)
def test_it_is_the_same_picture(colour, depth, interlaced):
    data = any_png(colour, depth, interlaced=interlaced)
    before = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    after = cv2.imdecode(np.frombuffer(plain(data).data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert after.dtype == np.uint8
    assert np.array_equal(after, before >> 8 if depth == 16 else before)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 1), (5000, 700)])
def test_whatever_its_size(size):
    data = any_png(6, 16, size=size, interlaced=size[0] < 10)
    before = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    after = cv2.imdecode(np.frombuffer(plain(data).data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(after, before >> 8)


def test_one_transparent_colour_stays_transparent():
    key = struct.pack(">HHH", 0, 0, 255)  # blue
    data = encoded(".png", scene())
    data = data[:33] + chunk(b"tRNS", key) + data[33:]
    assert decode(data)[0, 0].tolist() == [255, 255, 255], "white shines through"
    wide = encoded(".png", scene().astype(np.uint16) * 257)
    wide = wide[:33] + chunk(b"tRNS", struct.pack(">HHH", 0, 0, 0xFFFF)) + wide[33:]
    assert decode(wide)[0, 0].tolist() == [255, 255, 255]
    palette = chunk(b"PLTE", bytes([255, 0, 0, 0, 255, 0])) + chunk(b"tRNS", b"\0")
    assert decode(png(2, 1, 8, 3, zlib.compress(b"\0\0\1"), palette)).tolist() == [[[255] * 3, [0, 255, 0]]]


ODD = {
    "profile": chunk(b"iCCP", b"x\0\0" + zlib.compress(b"no profile")),
    "gamma": chunk(b"gAMA", b"\0\0\0\0"),
    "text": chunk(b"tEXt", b"a"),
    "significant bits": chunk(b"sBIT", b"\x20"),
    "short EXIF": chunk(b"eXIf", b"x"),
    "transparency beyond all colours": chunk(b"tRNS", struct.pack(">HHH", 300, 300, 300)),
    "damaged and not needed": chunk(b"tEXt", b"a\0b")[:-1] + b"?",
}


@pytest.mark.parametrize("odd", ODD)
def test_what_is_odd_beside_the_picture_is_no_fault_and_writes_nothing(odd, capfd):
    data = encoded(".png", scene())
    assert np.array_equal(decode(data[:33] + ODD[odd] + data[33:]), scene())
    assert capfd.readouterr() == ("", "")


ROWS = bytes(10 * (1 + 30))
DAMAGED = {
    "a filter that there is not": png(10, 10, 8, 2, zlib.compress(b"\x07" + ROWS[1:])),
    "too few rows": png(10, 10, 8, 2, zlib.compress(ROWS[:-1])),
    "no zlib": png(10, 10, 8, 2, b"hello"),
    "cut off": png(10, 10, 8, 2, zlib.compress(random.Random(0).randbytes(400))[:50]),
    "no palette": png(10, 10, 8, 3, zlib.compress(ROWS)),
    "3 bits": png(10, 10, 3, 2, zlib.compress(ROWS)),
    "a kind of colour that there is not": png(10, 10, 8, 5, zlib.compress(ROWS)),
    "no rows": png(10, 10, 8, 2, b""),
    "a row that is too long": png(2_000_000, 1, 1, 0, zlib.compress(bytes(250_001))),
    "wrong checksum": png(10, 10, 8, 2, zlib.compress(ROWS)).replace(b"IDAT", b"IDAU"),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_what_is_damaged_is_refused_and_writes_nothing(kind, capfd):
    with pytest.raises(NotMedia, match="damaged"):
        decode(DAMAGED[kind])
    assert capfd.readouterr() == ("", "")


def test_a_palette_that_is_too_short_and_rows_too_many_write_nothing(capfd):
    palette = chunk(b"PLTE", bytes([255, 0, 0]))
    assert decode(png(2, 1, 8, 3, zlib.compress(b"\0\0\1"), palette)).tolist() == [[[0, 0, 255], [0, 0, 0]]]
    assert decode(png(1, 1, 8, 0, zlib.compress(bytes(5000)) + b"and more")).tolist() == [[[0, 0, 0]]]
    assert capfd.readouterr() == ("", "")


def test_noise_with_right_checksums_writes_nothing(capfd):
    """Whatever a stranger puts into chunks."""
    chance = random.Random(1)
    pictures = [any_png(colour, depth, interlaced=colour == 2) for colour, depth in KINDS]
    pictures += [encoded(".png", with_alpha(noisy(20, 30))), encoded(".png", noisy(20, 30))]
    limits = PictureLimits(max_pixels=100_000)
    outcomes = {True: 0, False: 0}
    for _ in range(1500):
        data = bytearray(chance.choice(pictures))
        at = 8
        while at < len(data):
            (length,) = struct.unpack_from(">I", data, at)
            for _ in range(chance.choice((0, 0, 1, 3)) if length else 0):
                data[at + 8 + chance.randrange(length)] = chance.randrange(256)
            struct.pack_into(">I", data, at + 8 + length, zlib.crc32(data[at + 4 : at + 8 + length]))
            at += 12 + length
        try:
            decode_picture(bytes(data), limits, 0.0)
            outcomes[True] += 1
        except EdgedError as error:
            assert error.code in (413, 415)
            outcomes[False] += 1
    assert min(outcomes.values()) > 50, "some of both"
    assert capfd.readouterr() == ("", "")
