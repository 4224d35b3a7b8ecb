"""What the header of an encoded picture promises, read before anything is decoded.

Strangers send pictures; a file of a few kilobytes may ask for gigabytes. The decoder is only called once
the size that stands here is known to be acceptable, so these readers must see what the decoder will see.
"""

import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edged.contracts.errors import NotMedia, TooLarge

MAX_SEGMENTS = 2000
"""Segments of a JPEG before its picture, and entries of a TIFF directory; real files have some dozens."""
MAX_CHUNKS = 50_000
"""Chunks of a PNG; 20 MB in chunks of 8 KB are 2,500."""
MAX_SCANS = 100
"""Scans of a JPEG; encoders write about ten, and each costs the decoder a pass over the whole picture."""
ORIENTATION = 0x0112
"""TIFF and EXIF tag: how the stored picture is to be turned, 1 to 8."""

_NO_PICTURE = "no picture: JPEG, PNG, WebP, BMP, TIFF and GIF are understood"
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_STANDALONE = frozenset(range(0xD0, 0xD9)) | {0x01}
_BASELINE = frozenset({0xC0, 0xC1, 0xC9})
_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")


@dataclass(frozen=True, slots=True)
class Header:
    """Kind and stored size of an encoded picture."""

    format: str
    """`JPEG`, `PNG`, `WebP`, `BMP`, `TIFF` or `GIF`."""
    width: int
    """Pixels as stored, before an orientation is applied."""
    height: int
    """Pixels as stored."""
    block: int = 0
    """Pixels of the largest tile or frame, where the file names one that may be larger than the picture."""

    @property
    def pixels(self) -> int:
        """What the decoder will have to hold."""
        return max(self.width * self.height, self.block)


def probe(data: bytes) -> Header:
    """Read the header. Raises `NotMedia` for what is no picture, or whose header is cut off or absurd,
    and `TooLarge` for a JPEG of endless scans.
    """
    for magic, reader in _READERS.items():
        if data.startswith(magic):
            try:
                header = reader(data)
            except (struct.error, IndexError) as error:
                raise NotMedia("the picture ends within its header; was it sent completely?") from error
            if header.width < 1 or header.height < 1:
                raise NotMedia("the picture's header gives it no size")
            return header
    raise NotMedia(_NO_PICTURE if data else "the picture is empty")


def _jpeg(data: bytes) -> Header:
    position, size, progressive, components = 2, (0, 0), False, 0
    for _ in range(MAX_SEGMENTS):
        found = _MARKER.search(data, position)
        if found is None:
            break
        marker, position = found[1][0], found.end()
        if marker in _STANDALONE:
            continue
        if marker in _FRAME_HEADERS:
            height, width, components = struct.unpack_from(">HHB", data, position + 3)
            size, progressive = (width, height), marker not in _BASELINE
        elif marker == 0xDA:
            if progressive or data[position + 2] < components:
                _check_scans(data, position)
            return Header("JPEG", *size)
        position += struct.unpack_from(">H", data, position)[0]
    raise NotMedia("the JPEG holds no picture; was it sent completely?")


def _check_scans(data: bytes, position: int) -> None:
    """Refuse the JPEG whose thousands of empty scans keep the decoder busy for hours."""
    if data.count(b"\xff\xda", position) < MAX_SCANS:  # quick, and never less than the real number
        return
    scans = 1
    for _ in range(MAX_SEGMENTS):
        found = _MARKER.search(data, position)
        if found is None or found[1] == b"\xd9":
            return
        scans += found[1] == b"\xda"
        if scans > MAX_SCANS:
            break
        position = found.end() + struct.unpack_from(">H", data, found.end())[0]
    raise TooLarge(f"the JPEG has more than {MAX_SCANS} scans; save it again as a plain one")


def _png(data: bytes) -> Header:
    if data[12:16] != b"IHDR":
        raise NotMedia("the PNG does not begin with its header")
    width, height = struct.unpack_from(">II", data, 16)
    position, block = 8, 0
    for _ in range(MAX_CHUNKS):
        length, kind = struct.unpack_from(">I4s", data, position)
        position += 12 + length
        if position > len(data):  # OpenCV allocates what a chunk promises, up to 4 GB, before it reads
            break
        if kind == b"IEND":
            return Header("PNG", width, height, block)
        if kind == b"fcTL":
            columns, rows = struct.unpack_from(">II", data, position - length)
            block = max(block, columns * rows)
    raise NotMedia("the PNG is cut off; was it sent completely?")


def _gif(data: bytes) -> Header:
    return Header("GIF", *struct.unpack_from("<HH", data, 6))


def _bmp(data: bytes) -> Header:
    (length,) = struct.unpack_from("<I", data, 14)
    width, height = struct.unpack_from("<HH" if length == 12 else "<ii", data, 18)
    return Header("BMP", width, abs(height))


def _webp(data: bytes) -> Header:
    match data[8:16]:
        case b"WEBPVP8 ":
            width, height = struct.unpack_from("<HH", data, 26)
            return Header("WebP", width & 0x3FFF, height & 0x3FFF)
        case b"WEBPVP8L":
            (bits,) = struct.unpack_from("<I", data, 21)
            return Header("WebP", 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
        case b"WEBPVP8X":
            width, height = data[24:27], data[27:30]
            return Header("WebP", 1 + int.from_bytes(width, "little"), 1 + int.from_bytes(height, "little"))
    raise NotMedia(_NO_PICTURE)


def _tiff(data: bytes) -> Header:
    tags = tiff_tags(data)
    tile = tags.get(322, 0) * tags.get(323, 0)
    return Header("TIFF", tags.get(256, 0), tags.get(257, 0), tile)


def tiff_tags(data: bytes) -> Mapping[int, int]:
    """First value of each whole-number tag in the first directory of a TIFF file or EXIF block.

    Of a tag that stands twice the larger value counts: which one the decoder takes is its secret.
    Raises `struct.error` where the data ends too soon.
    """
    order = "<" if data[:2] == b"II" else ">"
    if struct.unpack_from(order + "H", data, 2)[0] == 43:  # BigTIFF
        (offset,) = struct.unpack_from(order + "Q", data, 8)
        (count,) = struct.unpack_from(order + "Q", data, min(offset, len(data)))
        first, entry, value_at = offset + 8, 20, 12
    else:
        (offset,) = struct.unpack_from(order + "I", data, 4)
        (count,) = struct.unpack_from(order + "H", data, offset)
        first, entry, value_at = offset + 2, 12, 8
    tags: dict[int, int] = {}
    for i in range(min(count, MAX_SEGMENTS)):
        at = first + i * entry
        tag, kind = struct.unpack_from(order + "HH", data, at)
        if code := {1: "B", 3: "H", 4: "I", 16: "Q"}.get(kind):
            (value,) = struct.unpack_from(order + code, data, at + value_at)
            tags[tag] = max(value, tags.get(tag, 0))
    return tags


_READERS: Mapping[bytes, Callable[[bytes], Header]] = {
    b"\xff\xd8\xff": _jpeg,
    b"\x89PNG\r\n\x1a\n": _png,
    b"RIFF": _webp,
    b"GIF87a": _gif,
    b"GIF89a": _gif,
    b"BM": _bmp,
    b"II*\0": _tiff,
    b"MM\0*": _tiff,
    b"II+\0": _tiff,
    b"MM\0+": _tiff,
}
"""By the first bytes of a file."""
