"""Video of any file, decoded with PyAV (FFmpeg) as it is asked for: pictures and sound of a stranger's."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edged.contracts.errors import TooLarge
from edged.contracts.items import AudioClip, Frame
from edged.contracts.settings import Settings
from edged.media.frame import PlanarFrame, turns_of
from edged.media.picture_track import MICROSECONDS
from edged.media.planes import planar
from edged.media.reel import Reel, ReelPicture
from edged.media.sound import RATE
from edged.media.soundtrack import sound_of

_LIBRARIES, _PICTURES = 150_000_000, 24
_EXACT = 1e-7
"""Seconds: far less than any two pictures are apart, and more than sums are off."""


def _patient() -> None:
    """There is time."""


class VideoLimits(Settings):
    """Limits of a video in a request."""

    max_bytes: int = Field(default=2_000_000_000, ge=1)
    """Bytes of the file; more is answered 413."""
    max_pixels: int = Field(default=9_437_184, ge=1)
    """Pixels of a picture, 4096 x 2304 as in H.264's level 5.1; more is answered 413."""
    max_seconds: float = Field(default=10_800.0, gt=0)
    """Seconds that are looked at; a longer video is answered 413, unless `play_duration` cuts it."""


def footage_bytes(limits: VideoLimits) -> int:
    """Memory that decoding takes at the most: FFmpeg, and the pictures that a decoder keeps.

    Standards have it keep 16, to which come those in work and on the way. Pictures of 10 bits are twice as
    large; of those that are as large as is allowed, no more than 6 are kept (H.264 5.1, HEVC 5).
    """
    return _LIBRARIES + _PICTURES * limits.max_pixels * 3 // 2


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """What a video says of itself; see `contracts.items.Video`."""

    width: int
    height: int
    frame_rate: float | None
    seconds: float | None
    has_sound: bool


class Footage:
    """A video that is open. Implements `contracts.items.Video`; not safe from several threads."""

    def __init__(
        self,
        file: IO[bytes],
        limits: VideoLimits,
        play_duration_us: int | None = None,
        check: Callable[[], None] = _patient,
    ) -> None:
        """As `open_footage`, until `close`."""
        self._file, self._limits, self._check = file, limits, check
        self._reel = Reel(file, limits.max_pixels, check)
        first, self._calls = self._reel.first, 0
        self._size, self._turns = (first.height, first.width), turns_of(first)
        self.height, self.width = reversed(self._size) if self._turns % 2 else self._size
        self.frame_rate, self.has_sound = self._reel.rate, self._reel.has_sound
        told = self._reel.seconds
        self._end = math.inf if play_duration_us is None else play_duration_us / MICROSECONDS
        self.seconds = self._end if told is None and self._end < math.inf else told and min(told, self._end)
        if self.seconds is not None and self.seconds > limits.max_seconds:
            self.close()
            raise _too_long(limits)

    @property
    def facts(self) -> VideoFacts:
        """What it says of itself."""
        return VideoFacts(self.width, self.height, self.frame_rate, self.seconds, self.has_sound)

    @property
    def damaged(self) -> str | None:
        """What of it could not be decoded, in a sentence: of what was read so far."""
        return self._reel.damaged

    def close(self) -> None:
        """The file is the caller's."""
        self._reel.close()

    def frames(
        self,
        start_us: int = 0,
        end_us: int | None = None,
        step_us: int | None = None,
        rate: float | None = None,
    ) -> Iterator[Frame]:
        """See `contracts.items.Video`. Raises `TooLarge` past the limit, and what `check` does."""
        step = step_of(step_us, rate)
        self._calls += 1
        start = max(0.0, start_us / MICROSECONDS)
        end = min(self._end, math.inf if end_us is None else end_us / MICROSECONDS)
        return self._current(self._made(start, end, step), self._calls)

    def sound(self, start_us: int = 0, end_us: int | None = None) -> AudioClip | None:
        """See `contracts.items.Video`."""
        if not self.has_sound:
            return None
        pieces = list(self.sound_pieces(start_us, end_us))
        return AudioClip(np.concatenate([*pieces, np.empty(0, np.float32)]), RATE, start_us)

    def sound_pieces(self, start_us: int, end_us: int | None) -> Iterator[NDArray[np.float32]]:
        """[n] each: what `sound` gives, as it is decoded."""
        end = min(self._end, self._limits.max_seconds, math.inf if end_us is None else end_us / MICROSECONDS)
        return sound_of(self._file, (start_us / MICROSECONDS, end), self._reel.origin, self._check)

    def _current(self, frames: Iterator[Frame], call: int) -> Iterator[Frame]:
        for frame in frames:
            check_current(call, self._calls)
            yield frame
            check_current(call, self._calls)

    def _made(self, start: float, end: float, step: float | None) -> Iterator[Frame]:
        reel = self._bounded(self._reel.shown_from(start), end)
        shown = (
            _each(reel, start, end) if step is None else _sampled(reel, (start, end, step), self._reel.step)
        )
        last: tuple[ReelPicture, Frame] | None = None
        for one in shown:
            if last is None or last[0] is not one:
                stored = planar(one.picture, self._size)
                last = one, PlanarFrame(stored, self._turns, one.at, one.number)
            yield last[1]

    def _bounded(self, reel: Iterator[ReelPicture], end: float) -> Iterator[ReelPicture]:
        for shown in reel:
            if self._limits.max_seconds < shown.at < end:
                raise _too_long(self._limits)
            yield shown


@contextmanager
def open_footage(
    file: IO[bytes],
    limits: VideoLimits,
    play_duration_us: int | None = None,
    check: Callable[[], None] = _patient,
) -> Iterator[Footage]:
    """Open a video, of which only the beginning is there when `play_duration_us` says so.

    `check` is called at each read and packet, and raises when there is no time left. Raises `NotMedia` for
    bytes that are no audio or video, `NotUsable` for a file without pictures, and `TooLarge`.
    """
    video = Footage(file, limits, play_duration_us, check)
    try:
        yield video
    finally:
        video.close()


def step_of(step_us: int | None, rate: float | None) -> float | None:
    """Seconds from one picture to the next; none: each once. Raises `ValueError`."""
    if step_us is not None and rate is not None:
        raise ValueError("say `step_us` or `rate`, not both")
    return step_us / MICROSECONDS if step_us is not None else 1 / rate if rate is not None else None


def check_current(call: int, calls: int) -> None:
    """Raises `RuntimeError` where a call of `frames` is not the last one."""
    if call != calls:
        raise RuntimeError("`frames` was called again, which ends what the earlier call had left")


def _each(reel: Iterator[ReelPicture], start: float, end: float) -> Iterator[ReelPicture]:
    for shown in reel:
        if shown.at + _EXACT >= end:
            return
        if shown.at + _EXACT >= start:
            yield shown


def _sampled(
    reel: Iterator[ReelPicture], span: tuple[float, float, float], length: float
) -> Iterator[ReelPicture]:
    """Those that are shown at (start, end, step): at the start and every so many seconds later.

    `length`: seconds of a picture, if the last does not say its own.
    """
    start, end, step = span
    marks, last = 0, None
    for shown in reel:
        while last is not None and start + marks * step + _EXACT < min(shown.at, end):
            yield last
            marks += 1
        if shown.at >= end:
            return
        last = shown
    if last is not None:
        told = last.picture.duration * float(last.picture.time_base or 0)
        end = min(end, last.at + (told if told > 0 else length))
    while last is not None and start + marks * step + _EXACT < end:
        yield last
        marks += 1


def _too_long(limits: VideoLimits) -> TooLarge:
    return TooLarge(
        f"has more than the {limits.max_seconds:g} seconds of `requests.video.max_seconds`; send a shorter "
        "one, or say `play_duration`"
    )
