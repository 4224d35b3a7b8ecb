"""Frames: a decoded picture, and decoded video that stays YUV until somebody asks for pixels."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import ceil, floor
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from edged.contracts.items import Colour, Fit, Frame, PixelFormat, Pixels
from edged.media.colour import Matrix, YuvPicture, bgr_gains, bgr_of_yuv, black, matrix_of
from edged.ops.image import Placement, place

if TYPE_CHECKING:  # pictures are served without loading FFmpeg
    import av

_OF_BGR = {Colour.RGB: cv2.COLOR_BGR2RGB, Colour.GRAY: cv2.COLOR_BGR2GRAY}
_TURNS = (None, cv2.ROTATE_90_COUNTERCLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_CLOCKWISE)
_PLANAR = tuple(f"yuv{j}{chroma}p" for j in ("", "j") for chroma in (420, 422, 444))  # j: full range
_FULL_RANGE = 2  # AVCOL_RANGE_JPEG

REDUCTIONS = (8, 4, 2)
"""Parts of its size at which a JPEG can be decoded for less, beside the whole."""


class _CachedFrame(ABC):
    """One conversion a format, under the frame's own lock, however many threads ask."""

    def __init__(self, width: int, height: int, captured_at: float, seq: int) -> None:
        self.width = width
        self.height = height
        self.captured_at = captured_at
        self.seq = seq
        self._lock = threading.Lock()
        self._cache: dict[PixelFormat, Pixels] = {}

    def pixels(self, wanted: PixelFormat) -> Pixels:
        """The picture in that form; see `contracts.items.Frame`."""
        with self._lock:
            if (known := self._cache.get(wanted)) is None:
                known = self._cache[wanted] = self._converted(wanted)
            return known

    def part(self, box: Sequence[float] | NDArray[np.floating]) -> Frame:
        """What a box holds; see `contracts.items.Frame`."""
        x1, y1, x2, y2 = (float(edge) for edge in box)
        left, top = min(max(0, floor(x1)), self.width - 1), min(max(0, floor(y1)), self.height - 1)
        right, bottom = min(max(left + 1, ceil(x2)), self.width), min(max(top + 1, ceil(y2)), self.height)
        if (right - left, bottom - top) == (self.width, self.height):
            return self
        whole = self.pixels(PixelFormat())
        return PictureFrame(np.ascontiguousarray(whole[top:bottom, left:right]), self.captured_at, self.seq)

    @abstractmethod
    def _converted(self, wanted: PixelFormat) -> Pixels:
        """Do the work; called once a format, with the lock held."""


class PictureFrame(_CachedFrame):
    """A frame of pixels that are decoded already."""

    def __init__(self, bgr: Pixels, captured_at: float, seq: int = 0) -> None:
        """`bgr` is [height, width, 3], upright, and must not be written to any more."""
        super().__init__(bgr.shape[1], bgr.shape[0], captured_at, seq)
        self._bgr = bgr

    def _converted(self, wanted: PixelFormat) -> Pixels:
        return _fitted(self._bgr, wanted)


class AskedFrame(_CachedFrame):
    """A frame whose pixels somebody else has, and gives in the form that is asked for."""

    def __init__(
        self,
        ask: Callable[[PixelFormat], Pixels],
        size: tuple[int, int],
        captured_at: float,
        seq: int,
        known: Mapping[PixelFormat, Pixels],
    ) -> None:
        """`size` is (height, width); `known`: forms that are here already."""
        super().__init__(size[1], size[0], captured_at, seq)
        self._ask = ask
        self._cache.update(known)

    def _converted(self, wanted: PixelFormat) -> Pixels:
        return self._ask(wanted)


class EncodedFrame(_CachedFrame):
    """A frame that is decoded only as finely as it is asked for: a JPEG at a half, a quarter, an eighth.

    *Measured*: 512 x 512 for 224 x 224 takes 1.5 ms instead of 3.1, 4000 x 3000 for 416 x 416 27 ms instead
    of 80. The decoder averages where `cv2.resize` would leave pixels out.
    """

    def __init__(
        self,
        decode: Callable[[int], Pixels],
        size: tuple[int, int],
        captured_at: float,
        known: tuple[int, Pixels],
    ) -> None:
        """`decode(n)` gives the upright picture at 1/n, n of `REDUCTIONS`; `size` is (height, width) at 1/1.

        `known` is one such n and its picture.
        """
        super().__init__(size[1], size[0], captured_at, 0)
        self._decode = decode
        self._decoded = dict([known])

    def _converted(self, wanted: PixelFormat) -> Pixels:
        size = self.height, self.width
        by = reduction(size, wanted)
        if (bgr := self._decoded.get(by)) is None:
            bgr = self._decoded[by] = self._decode(by)
        return _on_canvas(_coloured(_scaled(bgr, size, place(*size, wanted)), wanted), wanted)


def reduction(size: tuple[int, int], wanted: PixelFormat) -> int:
    """The largest of `REDUCTIONS` at which a picture of (height, width) is as fine as `wanted`, or 1."""
    placed = place(*size, wanted)
    finest = max(placed.scale_y, placed.scale_x)
    return next((by for by in REDUCTIONS if by * finest <= 1), 1)


class _TurnedFrame(_CachedFrame):
    """A frame as video holds it: YUV, and to be turned to be upright.

    *Measured:* 720p to 416 x 416: whole BGR and resize .83 ms; planes resized first and then one matrix .39
    ms. The matrix, unlike OpenCV's own I420, knows BT.709, full range and odd sizes.
    """

    def __init__(self, size: tuple[int, int], turns: int, captured_at: float, seq: int) -> None:
        """`size` is (height, width) as stored; `turns`: quarters, counterclockwise."""
        height, width = reversed(size) if turns % 2 else size
        super().__init__(width, height, captured_at, seq)
        self.turns = turns
        """Quarters by which it is turned counterclockwise to be upright, 0 to 3."""
        self._size = size
        self._bgr: Pixels | None = None

    def _converted(self, wanted: PixelFormat) -> Pixels:
        if wanted.size is None or (said := self._said()) is None:
            if self._bgr is None:
                self._bgr = self._turned(self._whole())
            return _fitted(self._bgr, wanted)
        stored = replace(wanted, size=(wanted.size[1], wanted.size[0])) if self.turns % 2 else wanted
        placed = place(*self._size, stored)
        if wanted.colour is Colour.GRAY:
            light = _light(_scaled(said.planes[0], self._size, placed), said.full_range)
            return _on_canvas(self._turned(light), wanted)
        small = [_scaled(plane, self._size, placed) for plane in said.planes]
        bgr = _small_bgr(small, said.matrix, said.full_range)
        return _on_canvas(_coloured(self._turned(bgr), wanted), wanted)

    @abstractmethod
    def _said(self) -> YuvPicture | None:
        """Its planes (chroma of whatever size), and what they say; none when it has no such planes."""

    @abstractmethod
    def _whole(self) -> Pixels:
        """All of it, BGR, as stored."""

    def _turned(self, picture: Pixels) -> Pixels:
        turn = _TURNS[self.turns]
        return picture if turn is None else cv2.rotate(picture, turn)


class VideoFrame(_TurnedFrame):
    """A frame as the decoder left it. It pins the decoder's buffer (1.4 MB at 720p): keep few of them.

    *Measured:* four threads that convert one PyAV frame without a lock crash the process, for PyAV sets
    fields of the frame while it converts.
    """

    def __init__(self, decoded: "av.VideoFrame", captured_at: float, seq: int) -> None:
        """`decoded` must not be touched by anybody else any more."""
        super().__init__((decoded.height, decoded.width), turns_of(decoded), captured_at, seq)
        self._decoded = decoded

    def _said(self) -> YuvPicture | None:
        decoded = self._decoded
        if decoded.format.name not in _PLANAR:
            return None
        planes = plane_of(decoded, 0), plane_of(decoded, 1), plane_of(decoded, 2)
        return YuvPicture(planes, matrix_of(decoded.colorspace), is_full_range(decoded))

    def _whole(self) -> Pixels:
        # Quick, for cameras: a level or two of luma off, which `bgr_of_yuv` is not, and five times as fast.
        return self._decoded.to_ndarray(format="bgr24")  # type: ignore[return-value]


class PlanarFrame(_TurnedFrame):
    """A frame of planes (YUV 4:2:0), whole pixels of which are exact."""

    def __init__(self, stored: YuvPicture, turns: int, captured_at: float, seq: int) -> None:
        """The planes must not be written to any more; `turns`: quarters, counterclockwise."""
        super().__init__((stored.planes[0].shape[0], stored.planes[0].shape[1]), turns, captured_at, seq)
        self.stored = stored
        """Not turned."""

    def _said(self) -> YuvPicture:
        return self.stored

    def _whole(self) -> Pixels:
        return bgr_of_yuv(*self.stored)


def turns_of(decoded: "av.VideoFrame") -> int:
    """Quarters by which it must be turned counterclockwise to be upright, 0 to 3."""
    return round(decoded.rotation / 90) % 4


def _fitted(bgr: Pixels, wanted: PixelFormat) -> Pixels:
    placed = place(bgr.shape[0], bgr.shape[1], wanted)
    return _on_canvas(_coloured(_scaled(bgr, bgr.shape[:2], placed), wanted), wanted)


def _scaled(plane: Pixels, of: tuple[int, ...], placed: Placement) -> Pixels:
    """What is shown of a picture `of` (height, width), in the size of the canvas; `plane` may be coarser."""
    rows, columns = placed.size
    if placed.shown != of:
        return _middle(plane, of, placed)
    return plane if plane.shape[:2] == placed.size else cv2.resize(plane, (columns, rows))


def _middle(plane: Pixels, of: tuple[int, ...], placed: Placement) -> Pixels:
    """The part that is shown, to a fraction of a pixel: classifiers notice half a pixel."""
    rows, columns = placed.size
    share_y, share_x = plane.shape[0] / of[0], plane.shape[1] / of[1]
    step_y, step_x = share_y / placed.scale_y, share_x / placed.scale_x
    y, x = placed.top * share_y + (step_y - 1) / 2, placed.left * share_x + (step_x - 1) / 2
    top, left = max(0, floor(y)), max(0, floor(x))  # cut first: OpenCV warps no side over 32,767 pixels
    part = plane[top : ceil(y + step_y * rows) + 1, left : ceil(x + step_x * columns) + 1]
    matrix = np.array([[step_x, 0, x - left], [0, step_y, y - top]])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    middle: Pixels = cv2.warpAffine(part, matrix, (columns, rows), flags=how, borderMode=cv2.BORDER_REPLICATE)
    return middle


def _coloured(bgr: Pixels, wanted: PixelFormat) -> Pixels:
    code = _OF_BGR.get(wanted.colour)
    return bgr if code is None else cv2.cvtColor(bgr, code)


def _on_canvas(picture: Pixels, wanted: PixelFormat) -> Pixels:
    """Pad a letterbox at the bottom and at the right."""
    if wanted.fit is not Fit.LETTERBOX or wanted.size is None or picture.shape[:2] == wanted.size:
        return picture
    canvas = np.full((*wanted.size, *picture.shape[2:]), wanted.pad, np.uint8)
    canvas[: picture.shape[0], : picture.shape[1]] = picture
    return canvas


def plane_of(decoded: "av.VideoFrame", index: int) -> Pixels:
    """[rows, columns] u8: a view of one plane without the padding at the end of its lines."""
    plane = decoded.planes[index]
    lines = np.frombuffer(plane, np.uint8, plane.line_size * plane.height)  # type: ignore[call-overload]
    view: Pixels = lines.reshape(plane.height, plane.line_size)[:, : plane.width]
    return view


def is_full_range(decoded: "av.VideoFrame") -> bool:
    """Whether black is 0 and white 255, not 16 and 235."""
    return decoded.format.name.startswith("yuvj") or decoded.color_range == _FULL_RANGE


def _light(plane: Pixels, full_range: bool) -> Pixels:
    if full_range:
        return plane
    gain = 255 / 219
    stretched: Pixels = cv2.transform(plane, np.array([[gain, -16 * gain]], np.float32))
    return stretched


def _small_bgr(planes: Sequence[Pixels], matrix: Matrix, full_range: bool) -> Pixels:
    """Of planes of one size."""
    gains = bgr_gains(matrix, full_range)
    offsets = gains @ np.array([-black(full_range), -128, -128])
    bgr: Pixels = cv2.transform(cv2.merge(planes), np.column_stack([gains, offsets]).astype(np.float32))
    return bgr
