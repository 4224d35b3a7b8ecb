"""The pictures of a stranger's file: which track, its packets, and what of it was found damaged."""

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import IO, cast

import av
import av.error
from av.stream import Disposition

from edged.contracts.errors import NotUsable, TooLarge
from edged.media.container import open_media
from edged.media.packets import Placed, Reader
from edged.media.sound import sound_track

THREADS = 2
"""Of the decoder; each holds a picture."""
MICROSECONDS = 1_000_000
_HIDDEN = Disposition.attached_pic | Disposition.timed_thumbnails


@dataclass(slots=True)
class Flaws:
    """What was found wrong in one pass through a file."""

    packets: int = 0
    """That could not be decoded."""
    pictures: int = 0
    """Decoded, with faults."""
    disordered: int = 0
    """Left out: shown before the one before."""
    ends: tuple[float, float] | None = None
    """Seconds after which it ends, and which it says it has."""

    def told(self) -> str | None:
        """A sentence; none when nothing is wrong."""
        faults = []
        if self.ends is not None:
            faults.append(f"it ends after {self.ends[0]:.1f} of {self.ends[1]:.1f} seconds")
        if self.packets:
            faults.append(f"{self.packets} of its packets cannot be decoded")
        if self.pictures:
            faults.append(f"{self.pictures} of its pictures have faults")
        if self.disordered:
            faults.append(f"{self.disordered} of its pictures are out of order and left out")
        return f"the video is damaged: {', '.join(faults)}; the rest is used" if faults else None

    def add(self, other: "Flaws") -> None:
        """What another pass has found, most of which is the same."""
        self.packets = max(self.packets, other.packets)
        self.pictures = max(self.pictures, other.pictures)
        self.disordered = max(self.disordered, other.disordered)
        self.ends = self.ends or other.ends


class PictureTrack:
    """One open file, from its beginning. Closed, it leaves the file open."""

    def __init__(self, file: IO[bytes], most_pixels: int, check: Callable[[], None]) -> None:
        """Raises `NotMedia`, `NotUsable` without such a track, `TooLarge` for pictures over `most_pixels`."""
        self._reader = Reader(Placed(file), check)
        self.flaws = Flaws()
        """Counted until somebody puts another one in its place."""
        self.latest = 0.0
        """Seconds, by the file's clock, at which the packets of all tracks that were read are over."""
        with ExitStack() as opening:
            self._container = opening.enter_context(open_media(self._reader))
            self.stream = _best(self._container)
            """With its times."""
            self._configure(most_pixels)
            self._held = opening.pop_all()

    def close(self) -> None:
        """Give the decoder's memory back."""
        self._held.close()

    @property
    def rates(self) -> list[float]:
        """Pictures a second, as far as the file says."""
        return [float(rate) for rate in (self.stream.average_rate, self.stream.guessed_rate) if rate]

    @property
    def tick(self) -> float:
        """Seconds to which its times are rounded."""
        return float(self.stream.time_base or 0)

    @property
    def ends(self) -> float | None:
        """Seconds, by the file's clock, at which it says that it ends."""
        if self.stream.duration:
            return ((self.stream.start_time or 0) + self.stream.duration) * self.tick
        if self._container.duration:
            return ((self._container.start_time or 0) + self._container.duration) / MICROSECONDS
        return None

    @property
    def has_sound(self) -> bool:
        """Whether it has a track of sound."""
        return sound_track(self._container) is not None

    def second(self, frame: av.VideoFrame) -> float | None:
        """When a picture is shown, by the file's clock; none where it does not say."""
        # AVI knows only the order of decoding, of which FFmpeg makes times of showing that are none.
        at = frame.dts if self._container.format.name == "avi" else frame.pts
        return None if at is None or frame.time_base is None else float(at * frame.time_base)

    def seek(self, second: float) -> bool:
        """Go to the key frame at or before, by the file's clock; whether it could."""
        try:
            with self._reader.wandering():
                self._container.seek(round(second / self.tick), stream=self.stream)
        except (av.error.FFmpegError, OverflowError, ZeroDivisionError):
            return False
        return True

    def packets(self) -> Iterator["av.Packet[av.VideoStream]"]:
        """Those of the track, up to where the file breaks off. Raises what `check` does."""
        with suppress(av.error.FFmpegError):
            for packet in self._container.demux():  # of other tracks too: each is a time to look at the clock
                self._reader.next_packet()
                if packet.pts is not None and packet.time_base is not None:
                    over = (packet.pts + (packet.duration or 0)) * packet.time_base
                    self.latest = max(self.latest, float(over))
                if packet.stream is self.stream:
                    yield cast("av.Packet[av.VideoStream]", packet)

    def decoded(self, packet: "av.Packet[av.VideoStream] | None") -> list[av.VideoFrame]:
        """Its pictures; none where it is damaged. Without a packet: what the decoder holds back."""
        try:
            return self.stream.decode(packet)
        except av.error.EOFError:
            return []
        except av.error.FFmpegError:
            self.flaws.packets += 1
            return []

    def pictures(self, *, whole: bool) -> Iterator[av.VideoFrame]:
        """All that follow; unless `whole`, from the first key frame on, for others need what was not read."""
        begun = whole
        for packet in itertools.chain(self.packets(), [None]):
            before = self.flaws.packets
            for frame in self.decoded(packet):
                begun = begun or frame.key_frame
                if begun:
                    yield frame
            if not begun:
                self.flaws.packets = before

    def _configure(self, most_pixels: int) -> None:
        context = self.stream.codec_context
        if context.width * context.height > most_pixels:
            raise TooLarge(
                f"has pictures of {context.width} x {context.height}, more than the {most_pixels} pixels of "
                "`requests.video.max_pixels`"
            )
        context.options = {"max_pixels": str(most_pixels)}
        context.thread_type = "AUTO"
        context.thread_count = min(THREADS, os.cpu_count() or 1)


def _best(container: av.container.InputContainer) -> av.VideoStream:
    """The one that a player would show: the default one, else the largest; covers and previews are none."""
    tracks = [
        stream
        for stream in container.streams.video
        if not stream.disposition & _HIDDEN and stream.codec_context is not None
    ]
    if not tracks:
        raise NotUsable("has no video")
    return max(tracks, key=_rank)


def _rank(track: av.VideoStream) -> tuple[bool, int]:
    return bool(track.disposition & Disposition.default), track.width * track.height
