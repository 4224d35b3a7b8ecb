"""Writes videos that a browser plays: MP4 that begins with its index, H.264 in 4:2:0, and the sound beside.

Odd sides, which H.264 has not in 4:2:0, get their last line or column twice: no pixel is lost.
"""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from errno import EDQUOT, EFBIG, ENOSPC
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import av.error
import cv2
import numpy as np

from edged.contracts.errors import NotReady, RequestError
from edged.contracts.items import Pixels
from edged.media.colour import Matrix, Planes, matrix_of, yuv_of_bgr
from edged.media.film_sound import FilmSound
from edged.media.frame import plane_of
from edged.media.picture_track import PictureTrack
from edged.media.planes import planar

ENLARGED_CRF = 15
"""Quality of what was made larger: lower is better, and six less are twice the bytes. *Measured*: at 20 the
film loses what SPAN gains over bicubic at twice the size (-.3 to +.05 dB), at 15 it keeps +.25."""
CUT_CRF = 18
"""Quality of what is cut out of a video: the difference is not seen."""
ANY_SIZE = 2**31 - 1
"""Pixels: who asks for a film has looked at its source before."""
THREADS = min(4, os.cpu_count() or 1)
_ENCODER, _PRESET = "libx264", "veryfast"
LARGE = 1920 * 1088
"""Pixels of a picture; for larger ones the encoder looks less far ahead, and holds fewer of them."""
_FRUGAL = {"rc-lookahead": "2", "bf": "0"}
"""*Measured* at 3840 x 2160: 330 MB instead of 670, and two thirds of the time."""
_RATES = (1, 240)
_FINEST, _COARSEST = 1_000_000, 10_000
_LIMITED, _BT601 = 1, 6  # AVCOL_RANGE_MPEG, AVCOL_SPC_SMPTE170M
_TURNS = (None, cv2.ROTATE_90_COUNTERCLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_CLOCKWISE)


@dataclass(frozen=True, slots=True)
class FilmLook:
    """What a film takes over of the video of which it is made."""

    rate: Fraction
    """Pictures a second, about: each has its own time."""
    base: Fraction
    """Unit of its times, seconds."""
    turns: int
    """Quarters, counterclockwise, by which its pictures must be turned to stand upright."""
    size: tuple[int, int]
    """(height, width) as they are stored."""
    aspect: Fraction
    """Width of a pixel of the upright picture in its heights."""
    colours: tuple[int, int, int]
    """Matrix, primaries, transfer: H.273's numbers, 2 where it does not say. A film says the same, so that
    every player shows both alike."""

    @property
    def matrix(self) -> Matrix:
        """How its YUV is made of RGB."""
        return matrix_of(self.colours[0])


def look_of(first: av.VideoFrame, rate: float | None, aspect: Fraction | None) -> FilmLook:
    """Of a video's first picture, as it is stored; what the video does not say is as usual."""
    unit = Fraction(first.time_base or Fraction(1, _FINEST)).denominator
    turns = round(first.rotation / 90) % 4
    upright_aspect = aspect or Fraction(1)
    usual = rate is None or not _RATES[0] <= rate <= _RATES[1]
    return FilmLook(
        Fraction(25) if usual or rate is None else Fraction(rate).limit_denominator(1001),
        Fraction(1, _FINEST if unit > _FINEST else unit * -(-_COARSEST // unit)),
        turns,
        (first.height, first.width),
        1 / upright_aspect if turns % 2 else upright_aspect,
        (first.colorspace or _BT601, first.color_primaries, first.color_trc),  # 0 is RGB
    )


def aspect_of(path: Path) -> Fraction | None:
    """Width of a pixel in its heights, as pictures are stored; none: the file does not say."""
    with path.open("rb") as file, closing(PictureTrack(file, ANY_SIZE, lambda: None)) as track:
        return track.stream.sample_aspect_ratio


class Film:
    """One that is being written. Give it pictures in order, then `close` it; else it is none."""

    def __init__(self, path: Path, size: tuple[int, int], crf: int, look: FilmLook, sound: FilmSound) -> None:
        """`size` is (height, width). Raises `NotReady` where FFmpeg cannot encode H.264."""
        try:
            av.Codec(_ENCODER, "w")
        except av.codec.codec.UnknownCodecError as error:
            raise NotReady(f"the encoder `{_ENCODER}` is missing in this build of PyAV's FFmpeg") from error
        self._sound = sound
        self._base = look.base
        self._last = -1
        self._start: float | None = None
        options = {"movflags": "faststart"}  # FFmpeg opens the file again by its name for that
        self._container = av.open(str(path), "w", format="mp4", options=options)
        quality = {"crf": str(crf), "preset": _PRESET, **(_FRUGAL if size[0] * size[1] > LARGE else {})}
        self._pictures = cast(av.VideoStream, self._container.add_stream(_ENCODER, look.rate, quality))
        context = self._pictures.codec_context
        context.height, context.width = (side + side % 2 for side in size)
        context.pix_fmt = "yuv420p"
        context.time_base, context.thread_count = look.base, THREADS
        context.sample_aspect_ratio = look.aspect
        context.color_range = _LIMITED
        context.colorspace, context.color_primaries, context.color_trc = look.colours
        with _room():
            sound.join(self._container)

    def add(self, planes: Planes, at: float) -> None:
        """One picture, of limited range, `at` seconds; the first one is shown at 0. Raises `RequestError`."""
        self._start = at if self._start is None else self._start
        picture = _frame(planes, self._pictures.width, self._pictures.height)
        self._last = max(round((at - self._start) / self._base), self._last + 1)
        picture.pts, picture.time_base = self._last, self._base
        with _room():
            self._container.mux(self._pictures.encode(picture))
            self._container.mux(list(self._sound.until(float(self._last * self._base))))

    def close(self) -> None:
        """Write the rest. Raises `RequestError`."""
        with _room():
            self._container.mux(self._pictures.encode(None))
            self._container.mux(list(self._sound.until()))
            self._container.close()


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except av.error.FFmpegError as error:
        if error.errno in (ENOSPC, EDQUOT, EFBIG):
            raise RequestError("there is no room left to write the video of the answer") from error
        raise


def planes_of(bgr: Pixels, look: FilmLook) -> Planes:
    """A picture [height, width, 3], as a film of this look holds it."""
    return yuv_of_bgr(bgr, look.matrix, full_range=False)


def upright(picture: av.VideoFrame, look: FilmLook) -> Planes:
    """A decoded picture, turned as the first one had to be, and of its size; of limited range."""
    planes, _, full_range = planar(picture, look.size)
    if full_range:
        planes = _limited(planes[0], 16, 219), _limited(planes[1], 128, 224), _limited(planes[2], 128, 224)
    turn = _TURNS[look.turns]
    y, u, v = (plane if turn is None else cv2.rotate(plane, turn) for plane in planes)
    return y, u, v


def _limited(plane: Pixels, base: int, reach: int) -> Pixels:
    """Of full range: luma begins at 0, chroma has its middle at 128."""
    gain, middle = reach / 255, 128 if base == 128 else 0
    return np.asarray(cv2.convertScaleAbs(plane, alpha=gain, beta=base - middle * gain), np.uint8)


def _frame(planes: Planes, width: int, height: int) -> av.VideoFrame:
    frame = av.VideoFrame(width, height, "yuv420p")
    for index, plane in enumerate(planes):
        target, (rows, columns) = plane_of(frame, index), plane.shape
        target[:rows, :columns] = plane
        target[:rows, columns:] = plane[:, -1:]
        target[rows:] = target[rows - 1]
    return frame
