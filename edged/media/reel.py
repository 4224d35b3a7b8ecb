"""A stranger's video while it is decoded: from where on, and when each picture is shown."""

import itertools
import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import IO, NamedTuple

import av

from edged.contracts.errors import NotUsable
from edged.media.picture_track import Flaws, PictureTrack


class ReelPicture(NamedTuple):
    """A picture of a video."""

    at: float
    """The second at which it is shown."""
    number: int
    """From 0; where not all were decoded, and they are not shown evenly, about so."""
    picture: av.VideoFrame


_LOOKED_AT = 256
"""Packets that tell whether pictures are shown evenly."""
_REORDERED = 16
"""Pictures that may come before an earlier one."""
_BACK_S = (0.2, 12.0)
"""How far before a place a key frame is looked for: some demuxers land behind what they were asked for."""
_USUAL_RATE = 25.0
_SHORT_S = 1.0
"""So much may lack at the end: lengths are rounded, and tracks end one after another."""


class Reel:
    """One open file. Not safe from several threads; one pass at a time."""

    def __init__(self, file: IO[bytes], most_pixels: int, check: Callable[[], None]) -> None:
        """Raises what `PictureTrack` does, and `NotUsable` when none of its pictures can be decoded."""
        self._again = partial(PictureTrack, file, most_pixels, check)
        self._flaws = Flaws()
        self._track = self._again()
        try:
            self.first, times = _looked(self._track)
            """`first`: its first picture, at which its time begins."""
        except BaseException:
            self._track.close()
            raise
        self.origin = self._track.second(self.first) or 0.0
        """Seconds of the file's own clock at which its first picture is shown."""
        self.rate, self.step = _evenness(times, self._track.rates, self._track.tick)
        """`rate`: pictures a second, none where they are not shown evenly; `step`: seconds from one to the
        next, as a rule."""
        told = self._track.ends
        self.seconds = told - self.origin if told is not None and told > self.origin else None
        """Its length; none where the file does not say."""
        self.has_sound = self._track.has_sound
        """Whether it has a track of sound."""

    def close(self) -> None:
        """The file is the caller's."""
        self._track.close()

    @property
    def damaged(self) -> str | None:
        """What is wrong with what was read so far, in a sentence."""
        self._flaws.add(self._track.flaws)
        return self._flaws.told()

    def shown_from(self, second: float) -> Iterator[ReelPicture]:
        """Pictures and when they are shown, from the one at `second`, or some before it, to the end."""
        for back in _BACK_S:
            if second - back <= 0:
                break
            self._begin()
            frames = self._sought(second - back)
            begin = next(frames, None)
            if begin is not None and begin.at <= second:
                return itertools.chain([begin], frames)
        self._begin()
        self._track.close()
        self._track = self._again()
        return self._timed(whole=True)

    def _begin(self) -> None:
        self._flaws.add(self._track.flaws)
        self._track.flaws = Flaws()

    def _sought(self, second: float) -> Iterator[ReelPicture]:
        return self._timed(whole=False) if self._track.seek(second + self.origin) else iter(())

    def _timed(self, *, whole: bool) -> Iterator[ReelPicture]:
        """`whole`: from the beginning on, from where pictures without a time can be counted."""
        last, number, track = -math.inf, 0, self._track
        for frame in track.pictures(whole=whole):
            at = self._second(frame)
            if at is None:
                if not whole and last == -math.inf:
                    return
                at = max(0.0, last + self.step)
            if at <= last:
                track.flaws.disordered += 1
                continue
            track.flaws.pictures += frame.is_corrupt
            number = number + 1 if last > -math.inf and self.rate is None else round(at / self.step)
            last = at
            yield ReelPicture(at, number, frame)
        ends = max(last + self.step, track.latest - self.origin)  # another track may be longer
        if self.seconds is not None and ends < self.seconds - _SHORT_S:
            track.flaws.ends = max(0.0, last + self.step), self.seconds

    def _second(self, frame: av.VideoFrame) -> float | None:
        """When it is shown; where they are shown evenly, without the rounding of the file."""
        clock = self._track.second(frame)
        if clock is None or self.rate is None:
            return None if clock is None else clock - self.origin
        exact = round((clock - self.origin) * self.rate) / self.rate
        return (
            exact if abs(exact - clock + self.origin) <= _rounding(self._track.tick) else clock - self.origin
        )


def _looked(track: PictureTrack) -> tuple[av.VideoFrame, list[float]]:
    """The first picture, and when some are shown, in order."""
    first, times = None, []
    for packet in itertools.chain(track.packets(), [None]):
        if packet is not None and packet.pts is not None:
            times.append(packet.pts * track.tick)
        if first is None:
            first = next(iter(track.decoded(packet)), None)
        elif len(times) >= _LOOKED_AT:
            times = sorted(times)[:-_REORDERED]
            break
    if first is None:
        raise NotUsable("holds no picture that can be decoded")
    return first, sorted(times)


def _evenness(times: list[float], said: list[float], tick: float) -> tuple[float | None, float]:
    """Pictures a second, if they are shown evenly, and as fast as the file says; and seconds a picture."""
    if len(times) < 2 or times[-1] <= times[0]:
        rate = said[0] if said else None
        return rate, 1 / (rate or _USUAL_RATE)
    mean = (times[-1] - times[0]) / (len(times) - 1)
    even = all(abs(at - times[0] - i * mean) <= _rounding(tick) for i, at in enumerate(times))
    off = 0.001 + 2 * tick / (times[-1] - times[0])
    near = next((rate for rate in said if abs(rate * mean - 1) < off), None)
    return (near, 1 / near) if even and near else (None, mean)


def _rounding(tick: float) -> float:
    """Seconds by which a time may be off: by its own rounding and by that of the beginning."""
    return 1.5 * tick + 1e-6
