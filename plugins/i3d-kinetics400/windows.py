"""Which pictures of a video are looked at together: windows, spread over all of it."""

import itertools
import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edged import Frame, PixelFormat, Pixels, Video

MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Windows:
    """How a video is cut into windows."""

    length: int
    """Pictures of a window."""
    rate: float
    """Pictures a second."""
    most: int
    """Windows at most."""
    seek: float
    """Seconds between the beginnings of windows from which on each is sought by itself."""
    form: PixelFormat
    """Of the pictures."""

    def starts(self, seconds: float | None) -> Sequence[int] | None:
        """The first picture of each window, from the beginning to the end; none: nobody knows the end."""
        if seconds is None:
            return None
        pictures = max(1, math.ceil(round(seconds * self.rate, 3)))
        count = min(math.ceil(pictures / self.length), self.most)
        return [round(start) for start in np.linspace(0, max(0, pictures - self.length), count)]

    def of(self, video: Video, starts: Sequence[int] | None) -> Iterator[Sequence[Pixels]]:
        """The pictures of each window; where the video ends early, a window has fewer of them."""
        if starts is None:
            yield from self._passed(video.frames(rate=self.rate), itertools.count(0, self.length))
        elif len(starts) > 1 and starts[1] - starts[0] >= self.seek * self.rate:
            for start in starts:
                begin, end = (round(n * MICROSECONDS / self.rate) for n in (start, start + self.length))
                yield from self._passed(video.frames(begin, end, rate=self.rate), [0])
        else:
            yield from self._passed(video.frames(rate=self.rate), starts)

    def _passed(self, frames: Iterator[Frame], starts: Iterable[int]) -> Iterator[Sequence[Pixels]]:
        """`starts` counts the pictures of `frames`. What lies between windows is never converted."""
        coming = iter(starts)
        start, seen = next(coming, None), 0
        held = deque[Pixels](maxlen=self.length)
        for seen, frame in enumerate(frames, 1):
            if start is None:
                return
            if seen <= start:
                continue
            held.append(frame.pixels(self.form))
            if seen == start + self.length:
                yield tuple(held)
                start = next(coming, None)
        if start is not None and seen > start:
            yield tuple(held)[start - seen :]
