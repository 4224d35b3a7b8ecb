"""The sound of a video for another one made of its pictures: copied where a browser plays it, else AAC."""

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import av.error
from av.filter import Graph

from edged.contracts.errors import NotMedia
from edged.media.container import open_media
from edged.media.packets import MAX_CHANNELS, Reader, fault, most_samples
from edged.media.sound import RATES

COPIED = ("aac", "mp3", "opus", "flac")
"""Codecs that an MP4 file can carry and browsers play; AC-3, which MP4 can carry too, Chromium does not."""
Packet = Any
"""`av.Packet`, generic for type checkers alone."""
_RATE, _BITS, _SAMPLES = 48_000, 128_000, 1024
_BACK_S = (0.5, 12.0)
"""How far before a place one is looked for: not every format winds exactly."""
_DAMAGED = (av.error.InvalidDataError, av.error.ArgumentError)


class FilmSound:
    """Of one span of a file. Packets come in order, with the span's beginning at 0."""

    def __init__(self, path: Path, start: float, end: float | None) -> None:
        """Seconds of the file's own clock; no end: all of it. Raises `NotMedia`."""
        self._path = path
        self._start = start
        self._end = end
        self._held = ExitStack()
        self._open()
        self._coming: Iterator[tuple[float, Packet]] = iter(())
        self._next: tuple[float, Packet] | None = None

    def join(self, film: av.container.OutputContainer) -> None:
        """Add a track to a film, if there is any sound."""
        track = self._track
        if track is None or track.rate not in RATES or not 1 <= track.channels <= MAX_CHANNELS:
            return
        if track.codec_context.name.removesuffix("float") in COPIED:
            self._coming = self._copied(film.add_stream_from_template(track))
        else:
            layout = "mono" if track.channels == 1 else "stereo"
            self._coming = self._encoded(film.add_stream("aac", _RATE, layout=layout, bit_rate=_BITS))
        self._next = next(self._coming, None)

    def until(self, second: float | None = None) -> Iterator[Packet]:
        """The packets that begin up to it; none is the end."""
        while self._next is not None and (second is None or self._next[0] <= second):
            yield self._next[1]
            self._next = next(self._coming, None)

    def close(self) -> None:
        """Give the file back."""
        self._held.close()

    def _open(self) -> None:
        self._held.close()
        self._reader = Reader(self._held.enter_context(self._path.open("rb")), lambda: None)
        self._container = self._held.enter_context(open_media(self._reader))
        self._track: Any = self._container.streams.best("audio")

    def _packets(self) -> Iterator[tuple[float, Packet]]:
        """Those of the span, by the span's clock, and the one before it, without which the first one does not
        sound as it did: players are told to leave out what comes before 0."""
        for second, packet in self._wound():
            at = second - self._start
            if self._end is not None and second >= self._end:
                return
            if at + 2 * _length(packet) > 0:
                yield at, packet

    def _wound(self) -> Iterator[tuple[float, Packet]]:
        """From the start on, or from some time before."""
        for back in _BACK_S:
            if self._wind(self._start - back):
                found = self._timed()
                if (first := next(found, None)) is not None and first[0] <= self._start:
                    yield first
                    yield from found
                    return
            self._open()
        yield from self._timed()

    def _wind(self, second: float) -> bool:
        """Whether it is worth it, and the format can."""
        if second <= (self._track.start_time or 0) * self._track.time_base:
            return False
        try:
            self._container.seek(int(second / self._track.time_base), stream=self._track)
        except (av.error.FFmpegError, NotMedia):  # also one that would read all of a long file for it
            return False
        return True

    def _timed(self) -> Iterator[tuple[float, Packet]]:
        """From where it is, up to where it can be read; one that does not say when follows the one before."""
        end = 0.0
        with suppress(av.error.FFmpegError, NotMedia):
            for packet in self._container.demux():  # of other tracks too: each bounds what is read for one
                self._reader.next_packet()
                if packet.stream.index != self._track.index or not packet.size:
                    continue
                at = end if packet.pts is None else float(packet.pts * packet.time_base)
                yield at, packet
                end = at + _length(packet)

    def _copied(self, track: av.AudioStream) -> Iterator[tuple[float, Packet]]:
        last = None
        for at, packet in self._packets():
            ticks = round(at / packet.time_base)
            if last is not None and ticks <= last:
                continue  # said twice, or out of order: no container takes it
            packet.pts = packet.dts = last = ticks
            packet.stream = track
            yield at, packet

    def _encoded(self, track: av.AudioStream) -> Iterator[tuple[float, Packet]]:
        blocks = _Blocks(track.layout.name, None if self._end is None else self._end - self._start)
        for at, frame in self._decoded():
            for block in blocks.add(at, frame):
                yield from _placed(track.encode(block))
        for block in blocks.rest():
            yield from _placed(track.encode(block))
        yield from _placed(track.encode(None))

    def _decoded(self) -> Iterator[tuple[float, av.AudioFrame]]:
        limited = None
        for at, packet in self._packets():
            context = self._track.codec_context
            if limited is not context:  # another one since it was wound
                limited = context
                context.options = {"max_samples": str(most_samples(context.sample_rate, context.channels))}
            if fault(memoryview(packet), context.name):
                continue
            try:
                frames = self._track.decode(packet)
            except _DAMAGED:
                continue
            begin = at
            for frame in frames:
                if frame.sample_rate in RATES and frame.layout.nb_channels <= MAX_CHANNELS:
                    yield begin, frame
                    begin += frame.samples / frame.sample_rate


class _Blocks:
    """Sound as the encoder wants it: gaps are filled with silence, what is outside of the span is cut off."""

    def __init__(self, layout: str, seconds: float | None) -> None:
        """`seconds`: of the span; none: it has no end."""
        self._layout = layout
        self._end = "" if seconds is None else f":end={seconds:.6f}"
        self._form: tuple[int, str, str] | None = None
        self._graph = Graph()
        self._done = 0
        """Samples that were given."""

    def add(self, at: float, frame: av.AudioFrame) -> Iterator[av.AudioFrame]:
        """Blocks that are ready; `at`: its second within the span."""
        form = (frame.sample_rate, frame.format.name, frame.layout.name)
        if form != self._form:  # also when it changes within the sound
            yield from self.rest()
            self._form, self._graph = form, self._made(*form)
        frame.pts, frame.time_base = round(at * frame.sample_rate), Fraction(1, frame.sample_rate)
        self._graph.push(frame)
        yield from self._ready()

    def rest(self) -> Iterator[av.AudioFrame]:
        """What is held back until the end."""
        if self._form is not None:
            self._graph.push(None)
            yield from self._ready()

    def _ready(self) -> Iterator[av.AudioFrame]:
        with suppress(av.error.BlockingIOError, av.error.EOFError):
            while True:
                block = cast(av.AudioFrame, self._graph.pull())
                self._done = (block.pts or 0) + block.samples
                yield block

    def _made(self, rate: int, sample_format: str, layout: str) -> Graph:
        begin, channels = self._done, f"ochl={self._layout}:osf=fltp:rematrix_maxval=1"
        graph = Graph()
        graph.link_nodes(
            graph.add_abuffer(
                sample_rate=rate, format=sample_format, layout=layout, time_base=Fraction(1, rate)
            ),
            graph.add("atrim", f"start={begin / _RATE:.6f}{self._end}"),
            graph.add("aresample", f"{_RATE}:{channels}:async=1:first_pts={begin}"),
            graph.add("asetnsamples", f"n={_SAMPLES}:p=0"),
            graph.add("abuffersink"),
        ).configure()
        return graph


def _length(packet: Packet) -> float:
    return float((packet.duration or 0) * packet.time_base)


def _placed(packets: list[Any]) -> Iterator[tuple[float, Packet]]:
    return ((float(packet.pts * packet.time_base), packet) for packet in packets)
