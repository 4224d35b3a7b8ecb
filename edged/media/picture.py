"""Encoded pictures from strangers to pixels, and pixels to encoded pictures.

OpenCV decodes all of it. *Measured* on 5.0: it applies the EXIF orientation of JPEG and TIFF, turns CMYK,
palettes, gray and 16 bits into 8 bits of BGR, takes the first frame of an animation, and refuses files
that end too soon (4.x returned such a JPEG half gray). What it leaves to us: limits, and transparency, which
is laid on white as a viewer would show it. (A transparent TIFF comes on black, and a gray PNG with one
transparent shade opaque.)
"""

import binascii
import re
import struct
from typing import Literal

import cv2
import numpy as np
import pybase64
from numpy.typing import NDArray
from pydantic import Field

from edged.contracts.errors import BadRequest, NotMedia, TooLarge
from edged.contracts.items import Frame, PixelFormat, Pixels
from edged.contracts.settings import Settings
from edged.media.frame import EncodedFrame, PictureFrame, reduction
from edged.media.header import ORIENTATION, Header, probe, tiff_tags
from edged.media.png import plain

# Else every bad picture of a stranger writes to the log; the answer says what is wrong.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

_FLAGS = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
_MAY_BE_TRANSPARENT = ("PNG", "WebP", "GIF")
_BAND = 1 << 16
"""Pixels that are laid on white at a time."""
FINE_QUALITY = 95
"""Of the JPEGs that are an answer themselves, 0 to 100."""
_DATA_URL = re.compile(r"data:image/[\w.+-]{1,40};base64,", re.IGNORECASE | re.ASCII)


DECODED = 3
"""Bytes a pixel of a picture that is decoded."""
_BYTES_A_PIXEL, _TIFF_BYTES_A_PIXEL = 13, 20
_OVERHEAD = 4_000_000


class PictureLimits(Settings):
    """How large a picture may be.

    *Measured*: while it decodes it takes 13 bytes a pixel at the most (mostly 6 to 9; an animated GIF 13, a
    PNG with transparency 12), a TIFF that is one strip of 16-bit RGBA 20; then 3. `runtime.memory` bounds all
    that is decoded at a time.
    """

    max_bytes: int = Field(default=20_000_000, ge=1)
    """Bytes of the encoded picture; more is answered 413."""
    max_pixels: int = Field(default=50_000_000, ge=1, le=1_000_000_000)
    """Width times height, read from the header before anything is decoded; more is answered 413."""


def decode_base64(text: str, field: str, limits: PictureLimits) -> bytes:
    """The bytes of a request's `field`; a `data:image/...;base64,` prefix and white space are accepted.

    Raises `BadRequest` when there is nothing or no Base64, `TooLarge` before anything is decoded.
    """
    if any(space in text for space in " \t\r\n"):  # as MIME breaks lines
        text = "".join(text.split())
    if prefix := _DATA_URL.match(text):
        text = text[prefix.end() :]
    if not text:
        raise BadRequest(f"the field `{field}` is missing: it must be a picture in Base64")
    size = len(text) * 3 // 4 - text.count("=", -2)
    _check_size(size, f"the field `{field}`", limits)
    try:
        data: bytes = pybase64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRequest(
            f"the field `{field}` is not Base64: only A-Z a-z 0-9 + / and the padding = may stand in it"
        ) from error
    return data


def decoding_bytes(data: bytes, limits: PictureLimits) -> int:
    """Memory that `decode_picture` takes at the most, beside `data`; raises as it does before it decodes."""
    header = _probed(data, limits)
    return header.pixels * (_TIFF_BYTES_A_PIXEL if header.format == "TIFF" else _BYTES_A_PIXEL) + _OVERHEAD


def _probed(data: bytes, limits: PictureLimits) -> Header:
    _check_size(len(data), "the picture", limits)
    header = probe(data)
    if header.pixels > limits.max_pixels:
        raise TooLarge(
            f"the picture is {header.width} x {header.height}, over the limit of {limits.max_pixels} pixels; "
            "send a smaller one"
        )
    return header


def decode_picture(
    data: bytes, limits: PictureLimits, captured_at: float, seq: int = 0, wanted: PixelFormat | None = None
) -> Frame:
    """An upright picture from JPEG, PNG, WebP, BMP, TIFF or GIF (the first frame of an animation).

    With `wanted`, how it will be asked for, a JPEG is decoded no finer than that. Raises `TooLarge` before
    decoding, and `NotMedia` for what is no picture or is cut off.
    """
    header = _probed(data, limits)
    if wanted is not None and (coarse := _coarse(data, header, wanted, captured_at)) is not None:
        return coarse
    try:
        bgr = _decoded(data, header)
    except (cv2.error, MemoryError) as error:
        raise _broken(header) from error
    return PictureFrame(bgr, captured_at, seq)


def _coarse(data: bytes, header: Header, wanted: PixelFormat, captured_at: float) -> Frame | None:
    """A JPEG decoded at a part of its size; none where `wanted` needs all of it."""
    stored, turned = (header.height, header.width), (header.width, header.height)
    by = min(reduction(stored, wanted), reduction(turned, wanted))  # EXIF may turn it
    if header.format != "JPEG" or by == 1:
        return None
    encoded = np.frombuffer(data, np.uint8)
    small = _reduced(encoded, header, by)
    shapes = {_parts(size, by): size for size in (turned, stored)}
    if stored != turned and len(shapes) == 1:  # so nearly square that it does not show which way it is
        return None
    return EncodedFrame(
        lambda n: _reduced(encoded, header, n),
        shapes[small.shape[:2]],
        captured_at,
        (by, small),
    )


def _parts(size: tuple[int, int], by: int) -> tuple[int, ...]:
    return tuple(-(-side // by) for side in size)


def _reduced(encoded: NDArray[np.uint8], header: Header, by: int) -> Pixels:
    try:
        bgr: Pixels | None = cv2.imdecode(encoded, _FLAGS[by])
    except (cv2.error, MemoryError) as error:
        raise _broken(header) from error
    if bgr is None:
        raise _broken(header)
    return bgr


def _check_size(size: int, what: str, limits: PictureLimits) -> None:
    if size > limits.max_bytes:
        raise TooLarge(f"{what} has {size} bytes, over the limit of {limits.max_bytes}; send a smaller one")


def _broken(header: Header) -> NotMedia:
    return NotMedia(
        f"the {header.format} picture is damaged, cut off, or of a kind that cannot be read; "
        "send it completely, with 8 or 16 bits a channel"
    )


def _decoded(data: bytes, header: Header) -> Pixels:
    if header.format not in _MAY_BE_TRANSPARENT:
        return _reduced(np.frombuffer(data, np.uint8), header, 1)
    stored, exif = _png(data) if header.format == "PNG" else _with_exif(data)
    if stored is None:
        raise _broken(header)
    bgr = _opaque(stored)
    del stored  # before it is turned
    return _upright(bgr, _orientation(exif))


def _png(data: bytes) -> tuple[Pixels | None, bytes | None]:
    rewritten, exif = plain(data)
    return cv2.imdecode(np.frombuffer(rewritten, np.uint8), cv2.IMREAD_UNCHANGED), exif


def _with_exif(data: bytes) -> tuple[Pixels | None, bytes | None]:
    encoded = np.frombuffer(data, np.uint8)
    stored, kinds, blocks = cv2.imdecodeWithMetadata(encoded, flags=cv2.IMREAD_UNCHANGED)
    exif = dict(zip(kinds, blocks, strict=True)).get(cv2.IMAGE_METADATA_EXIF)
    return stored, None if exif is None else exif.tobytes()


def _opaque(stored: Pixels) -> Pixels:
    """BGR of gray, BGR or BGRA; where the latter is transparent, white shines through."""
    if stored.ndim == 2:
        return cv2.cvtColor(stored, cv2.COLOR_GRAY2BGR)  # type: ignore[no-any-return]
    height, width, channels = stored.shape
    if channels == 3:
        return stored
    bgr = np.empty((height, width, 3), np.uint8)
    rows = max(1, _BAND // width)
    for top in range(0, height, rows):  # a second whole picture would be the dearest of the way
        _lay_on_white(stored[top : top + rows], bgr[top : top + rows])
    return bgr


def _lay_on_white(bgra: Pixels, bgr: Pixels) -> None:
    cv2.cvtColor(bgra, cv2.COLOR_BGRA2BGR, bgr)
    alpha = cv2.extractChannel(bgra, 3)
    if alpha.min() < 255:
        alpha = cv2.cvtColor(alpha, cv2.COLOR_GRAY2BGR)
        cv2.add(cv2.multiply(bgr, alpha, scale=1 / 255), cv2.bitwise_not(alpha), bgr)


def _orientation(exif: bytes | None) -> int:
    """1 to 8; 1, upright, where there is none or it cannot be read."""
    if exif is None:
        return 1
    try:
        return tiff_tags(exif.removeprefix(b"Exif\0\0")).get(ORIENTATION, 1)
    except struct.error:
        return 1


def _upright(bgr: Pixels, orientation: int) -> Pixels:
    """Turn and mirror as EXIF says."""
    if orientation in (5, 6, 7, 8):
        bgr = cv2.transpose(bgr)
    flip = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}.get(orientation)
    return bgr if flip is None else cv2.flip(bgr, flip)


def encode_jpeg(bgr: Pixels, quality: int = 85) -> bytes:
    """A JPEG of [height, width, 3] BGR or [height, width] gray; `quality` is 1 to 100."""
    return _encoded(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])


def encode_png(bgr: Pixels) -> bytes:
    """A PNG of [height, width, 3] BGR or [height, width] gray."""
    return _encoded(".png", bgr, [])


def encoded_base64(bgr: Pixels, kind: Literal["jpeg", "png"]) -> str:
    """[height, width, 3] as Base64 of a JPEG of high quality, or of a PNG, which loses nothing."""
    data = encode_png(bgr) if kind == "png" else encode_jpeg(bgr, FINE_QUALITY)
    return str(pybase64.b64encode_as_string(data))


def _encoded(kind: str, bgr: Pixels, options: list[int]) -> bytes:
    _, encoded = cv2.imencode(kind, bgr, options)  # raises cv2.error where it cannot
    data: bytes = encoded.tobytes()
    return data
