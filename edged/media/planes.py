"""Decoded pictures of whatever form as planes of 8 bits, YUV 4:2:0: a byte and a half a pixel."""

import re

import av
import numpy as np
from numpy.typing import NDArray

from edged.contracts.items import Pixels
from edged.media.colour import YuvPicture, halved, matrix_of, yuv_of_bgr
from edged.media.frame import is_full_range, plane_of

_PLANAR = re.compile(r"yuv[aj]?(420|422|444)p(?:(9|10|12|14|16)le)?")
_GRAY = "gray"
_LIMITED = 1  # AVCOL_RANGE_MPEG


def planar(decoded: av.VideoFrame, size: tuple[int, int]) -> YuvPicture:
    """A copy, in the size (height, width): a video may change its own in the middle.

    Luma is taken as it is; chroma that is finer is averaged; more bits are rounded. RGB becomes YUV of full
    range, and what else there is goes through FFmpeg's own conversion.
    """
    if (decoded.height, decoded.width) != size:
        decoded = decoded.reformat(width=size[1], height=size[0], threads=1)
    form = decoded.format
    if form.is_rgb or form.has_palette:
        rgb = np.asarray(decoded.to_ndarray(format="bgr24"), np.uint8)
        return YuvPicture(yuv_of_bgr(rgb, "bt601", full_range=True), "bt601", True)
    said = matrix_of(decoded.colorspace), is_full_range(decoded)
    if form.name == _GRAY:
        none = np.full(((size[0] + 1) // 2, (size[1] + 1) // 2), 128, np.uint8)
        full_range = decoded.color_range != _LIMITED  # which it is unless it says so, as FFmpeg has it
        return YuvPicture((plane_of(decoded, 0).copy(), none, none), said[0], full_range)
    if (known := _PLANAR.fullmatch(form.name)) is None:
        same = {"src_color_range": decoded.color_range, "dst_color_range": decoded.color_range}
        decoded, known = decoded.reformat(format="yuv420p", threads=1, **same), _PLANAR.fullmatch("yuv420p")
        assert known is not None  # noqa: S101 - it says so itself
    chroma, bits = known.groups()
    planes = [_eight_bits(decoded, index, int(bits or 8)) for index in range(3)]
    if chroma != "420":
        planes[1:] = [halved(plane, wide=chroma == "444") for plane in planes[1:]]
    return YuvPicture((planes[0], planes[1], planes[2]), *said)


def _eight_bits(decoded: av.VideoFrame, index: int, bits: int) -> Pixels:
    if bits == 8:
        return plane_of(decoded, index).copy()
    plane = decoded.planes[index]
    lines = np.frombuffer(plane, "<u2", plane.line_size // 2 * plane.height)  # type: ignore[call-overload]
    deep: NDArray[np.uint16] = lines.reshape(plane.height, -1)[:, : plane.width]
    beyond = bits - 8
    rounded = (deep.astype(np.uint32) + (1 << (beyond - 1))) >> beyond
    return np.asarray(np.minimum(rounded, 255), np.uint8)
