"""The motion gate: whether anything moves, told from a picture 160 pixels wide."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edged.contracts.items import Colour, Frame, PixelFormat, Pixels
from edged.contracts.settings import Seconds, Settings

WIDTH = 160
"""Pixels of the picture that is looked at; its height keeps the frame's aspect."""
TALLEST = 4
"""Heights in widths, at most: a picture one pixel wide would become a huge one."""
ADAPT_S = 4.0
"""Time constant of the background: what stands still is part of it after two or three of these."""
NOISE_FACTOR = 5.0
"""A pixel has changed when it differs by so many standard deviations of the picture's noise."""
MOST_NOISE = 3.0
"""Noise asks for at most so many times `min_change`; else a camera that turns would pass for noise."""
MEDIAN_OF_NORMAL = 0.6745
"""Median of the absolute value of a normal distribution, in standard deviations."""
STEADY = 100.0
"""Variance, in squared gray levels, below which a picture is too flat to tell its contrast."""


class MotionSettings(Settings):
    """When something counts as moving. `motion: true` is these defaults."""

    min_change: int = Field(default=15, ge=1, le=255)
    """Gray levels, of 255, by which a pixel must differ from the background. Noise raises it by itself."""
    min_area: float = Field(default=0.003, gt=0, lt=1)
    """Share of the picture that must have changed; 0.003 is a person twelve metres away in a wide view."""
    hold: Seconds = 2.0
    """Frames go on passing for so long after the last motion."""
    at_least_every: Seconds | None = 30.0
    """One frame passes after so long without motion, so that no result grows stale; none: not even one."""
    react: Seconds = 2.0
    """How late a motion may be noticed: under `key_frames_only: auto` a camera whose key frames are no
    farther apart is looked at in these alone while nothing moves. Most movements are noticed at once, by the
    size of their packets."""


class MotionGate:
    """Lets frames pass while something moves. Used by one thread.

    Each frame is compared with a running average, whose brightness and contrast are first brought to those
    of the frame: neither a cloud nor the camera's exposure moves anything. What changes and then stays, a
    lamp or a parked car, becomes background within some `ADAPT_S`. *Measured:* .2 to .3 ms a frame of 720p.
    """

    def __init__(self, settings: MotionSettings) -> None:
        self._settings = settings
        self._background: NDArray[np.float32] | None = None
        self._seen_at = 0.0
        self._begun_at: float | None = None
        self._moved_at: float | None = None
        self._passed_at: float | None = None

    def passes(self, frame: Frame) -> bool:
        """Whether something moves or has just moved; also for the first frame, and for one now and then."""
        now = frame.captured_at
        if self._moves(_small(frame), now):
            self._moved_at = now
        if _within(now, self._moved_at, self._settings.hold) or self._is_overdue(now):
            self._passed_at = now
            return True
        return False

    def is_still(self, now: float) -> bool:
        """Whether nothing has moved for as long as frames go on passing, or as there are frames."""
        return self._begun_at is not None and not any(
            _within(now, at, self._settings.hold) for at in (self._begun_at, self._moved_at)
        )

    def _is_overdue(self, now: float) -> bool:
        every = self._settings.at_least_every
        return self._passed_at is None or (every is not None and not _within(now, self._passed_at, every))

    def _moves(self, small: Pixels, now: float) -> bool:
        """Compare with the background, and let it follow."""
        elapsed, self._seen_at = now - self._seen_at, now
        if self._background is None or self._background.shape != small.shape:
            self._background, self._begun_at = small.astype(np.float32), now
            return False
        difference = _difference(small, self._background)
        cv2.accumulateWeighted(small, self._background, -math.expm1(-max(elapsed, 0.0) / ADAPT_S))
        return _changed(difference, self._settings)


class NoveltyGate:
    """Lets a frame pass that differs from the last one that passed, whenever that was. Used by one thread.

    It tells what differs as the motion gate does, and knows no time: a file may be read as fast as it likes.
    """

    def __init__(self, settings: MotionSettings) -> None:
        self._settings = settings
        self._last: NDArray[np.float32] | None = None

    def passes(self, frame: Frame) -> bool:
        """Whether it shows something else than the last that passed; the first one does."""
        small, last = _small(frame), self._last
        same_size = last is not None and last.shape == small.shape
        if last is not None and same_size and not _changed(_difference(small, last), self._settings):
            return False
        self._last = small.astype(np.float32)
        return True


def _changed(difference: Pixels, settings: MotionSettings) -> bool:
    least = settings.min_change
    limit = min(max(least, NOISE_FACTOR * _noise(difference)), MOST_NOISE * least)
    return bool(np.count_nonzero(difference > limit) > settings.min_area * difference.size)


def _small(frame: Frame) -> Pixels:
    """The frame's luma, smoothed: a resize alone would keep each pixel's noise."""
    height = min(max(1, round(WIDTH * frame.height / frame.width)), TALLEST * WIDTH)
    gray = frame.pixels(PixelFormat((height, WIDTH), colour=Colour.GRAY))
    smooth: Pixels = cv2.blur(gray, (5, 5))
    return smooth


def _difference(small: Pixels, background: NDArray[np.float32]) -> Pixels:
    """Absolute, after the background was fitted to the frame by gain and offset (least squares)."""
    new, old = small[::4, ::4].astype(np.float32).ravel(), background[::4, ::4].ravel()
    new_mean, old_mean = float(new.mean()), float(old.mean())
    new, old = new - new_mean, old - old_mean
    gain = (float(new @ old) / old.size + STEADY) / (float(old @ old) / old.size + STEADY)
    offset = new_mean - gain * old_mean
    expected = cv2.addWeighted(background, gain, background, 0, offset, dtype=cv2.CV_8U)
    difference: Pixels = cv2.absdiff(small, expected)
    return difference


def _noise(difference: Pixels) -> float:
    """Standard deviation; by the median, which a small moving thing does not touch."""
    return float(np.median(difference[::4, ::4])) / MEDIAN_OF_NORMAL


def _within(now: float, since: float | None, seconds: float) -> bool:
    """Whether `since` is no longer ago; a clock that was set back makes it long ago."""
    return since is not None and 0 <= now - since < seconds
