"""One track of a stranger's file, read from some time on: its packets, and its pictures."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, TypeVar

import av
import av.error

from edged.contracts.errors import NotMedia, NotUsable
from edged.media.container import open_media
from edged.media.packets import Reader

_MARGINS = (Fraction(0), Fraction(10), None)
"""Seconds before the wanted time to which is wound; none: to the beginning. Some formats wind inexactly."""
_DAMAGED = (av.error.InvalidDataError, av.error.ArgumentError, av.error.PatchWelcomeError)

_T = TypeVar("_T")


class Reel:
    """The best track of a kind. Times are seconds of the file's own clock."""

    def __init__(self, path: Path, kind: Literal["video", "audio"]) -> None:
        """Raises `NotMedia`."""
        self._path = path
        self._kind = kind
        self._open = ExitStack()
        self.stream: Any = None
        """PyAV's; none where the file has no such track. Another one after each winding."""
        self._rewind()

    def packets(self) -> Iterator[Any]:
        """Its packets from where it is; of what cannot be read further the part before. The last is empty."""
        try:
            for packet in self._container.demux():  # of other tracks too: each bounds what is read for one
                self._reader.next_packet()
                if packet.stream.index == self.stream.index and packet.size:
                    yield packet
        except (av.error.FFmpegError, NotMedia):  # cut off in the middle
            pass
        yield None

    def pictures(self) -> Iterator[tuple[Fraction, av.VideoFrame]]:
        """Decoded pictures from where it is, each with its time; damaged ones are passed over."""
        step = 1 / Fraction(self.stream.guessed_rate or self.stream.average_rate or 25)
        last = None
        for packet in self.packets():
            try:
                decoded = self.stream.decode(packet)
            except _DAMAGED:
                continue
            for picture in decoded:
                at = _seconds(picture.pts, picture.time_base)
                at = (Fraction(0) if last is None else last + step) if at is None else at
                yield at, picture
                last = at

    def sounds(self) -> Iterator[tuple[Fraction, Any]]:
        """Packets from where it is, each with its time."""
        end = Fraction(0)
        for packet in self.packets():
            if packet is None:
                return
            at = _seconds(packet.pts, packet.time_base)
            at = end if at is None else at
            yield at, packet
            end = at + (_seconds(packet.duration, packet.time_base) or 0)

    def wound(
        self, at: Fraction, read: Callable[[], Iterator[tuple[Fraction, _T]]]
    ) -> Iterator[tuple[Fraction, _T]]:
        """What `read` gives from `at` on, or from some time before."""
        for margin in _MARGINS:
            self._rewind()
            if margin is not None and not self._wind(at - margin):
                continue
            found = read()
            first = next(found, None)
            if margin is None or (first is not None and first[0] <= at):
                return found if first is None else itertools.chain([first], found)
        raise AssertionError("the last margin always serves")

    def close(self) -> None:
        """Give the file back."""
        self._open.close()

    def _rewind(self) -> None:
        self._open.close()
        self._reader = Reader(self._open.enter_context(self._path.open("rb")), lambda: None)
        self._container = self._open.enter_context(open_media(self._reader))
        self.stream = self._container.streams.best(self._kind)
        if self._kind == "video" and self.stream is None:
            raise NotUsable("has no pictures")

    def _wind(self, at: Fraction) -> bool:
        """To the last key before; whether the format can."""
        if self.stream.start_time is not None and at <= self.stream.start_time * self.stream.time_base:
            return False
        try:
            self._container.seek(int(at / self.stream.time_base), stream=self.stream)
        except (av.error.FFmpegError, NotMedia):  # also one that would read all of a long file for it
            return False
        return True


def _seconds(ticks: int | None, base: Fraction | None) -> Fraction | None:
    return None if ticks is None or base is None else ticks * Fraction(base)
