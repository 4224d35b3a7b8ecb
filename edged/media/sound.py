"""Sound of any audio or video file, decoded with PyAV (FFmpeg) piece by piece: 16 kHz, mono, f32."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import IO

import av
import av.error
import numpy as np
from av.filter import Graph
from numpy.typing import NDArray
from pydantic import Field

from edged.contracts.errors import NotMedia, NotUsable, TooLarge
from edged.contracts.settings import Settings
from edged.media.container import decodable, open_media
from edged.media.packets import MAX_CHANNELS, Reader, fault, most_samples

RATE = 16_000
"""Samples a second of everything that models hear."""
PIECE = RATE // 2
"""Samples of a piece: half a second."""
RATES = range(4_000, 768_001)
"""Samples a second of a recording. At 1 Hz a second of sound would be made out of each of its numbers."""
MICROSECONDS = 1_000_000


def _patient() -> None:
    """There is time."""


class SoundLimits(Settings):
    """Limits of a recording in a request."""

    max_bytes: int = Field(default=1_000_000_000, ge=1)
    """Bytes of the file; more is answered 413."""
    max_seconds: float = Field(default=14_400.0, gt=0)
    """Seconds that are listened to; a longer recording is answered 413, unless `play_duration` cuts it."""


@dataclass(frozen=True, slots=True)
class Sound:
    """A recording that is open."""

    pieces: Iterator[NDArray[np.float32]]
    """[n] each, mono, -1 to 1, `RATE` samples a second; all but the last have `PIECE` samples."""
    seconds: float | None
    """How long it says it is; none: it does not say."""


@contextmanager
def open_sound(
    file: IO[bytes],
    limits: SoundLimits,
    play_duration_us: int | None = None,
    check: Callable[[], None] = _patient,
) -> Iterator[Sound]:
    """Open a recording, of which only the beginning is decoded when `play_duration_us` says so.

    `check` is called at each read, packet and piece, and raises when there is no time left. Raises `NotMedia`
    for bytes that are no audio or video, `NotUsable` for a video without sound or a rate that is none of
    `RATES`, and while it is read `TooLarge` past the limit. Packets that cannot be decoded, or hold more than
    any real one, are passed over.
    """
    reader = Reader(file, check)
    with open_media(reader) as container:
        if not container.streams.audio:
            raise NotUsable("has no sound track")
        if (track := sound_track(container)) is None:
            raise NotMedia("holds sound of a kind that cannot be decoded")
        told = None if container.duration is None else container.duration / MICROSECONDS
        if play_duration_us is not None:
            asked = play_duration_us / MICROSECONDS
            told = asked if told is None else min(told, asked)
        blocks = converted(sound_frames(container, track, reader))
        yield Sound(_bounded(blocks, limits, play_duration_us), told)


def _bounded(
    blocks: Iterator[NDArray[np.float32]], limits: SoundLimits, play_duration_us: int | None
) -> Iterator[NDArray[np.float32]]:
    """Pieces of one length, up to what is wanted or allowed."""
    most = int(limits.max_seconds * RATE)
    wanted = most + 1 if play_duration_us is None else max(1, play_duration_us * RATE // MICROSECONDS)
    taken, held = 0, np.empty(0, np.float32)
    for block in blocks:
        held = np.concatenate([held, block[: wanted - taken - len(held)]])
        while len(held) >= PIECE:
            taken += PIECE
            yield held[:PIECE]
            held = held[PIECE:]
        if taken + len(held) > most:
            raise TooLarge(
                f"has more than the {limits.max_seconds:g} seconds of `requests.sound.max_seconds`; send a "
                "shorter one, or say `play_duration`"
            )
        if taken + len(held) >= wanted:
            break
    if not taken and not len(held):
        raise NotMedia("holds no sound that can be decoded")
    if len(held):
        yield held


def converted(frames: Iterator[av.AudioFrame]) -> Iterator[NDArray[np.float32]]:
    """[n] of any length, as of `Converter`, which raises; up to what FFmpeg cannot convert."""
    converter = Converter()
    with suppress(av.error.FFmpegError):
        for frame in frames:
            yield from converter.add(frame)
        yield from converter.rest()


def sound_track(container: av.container.InputContainer) -> av.AudioStream | None:
    """The first whose kind FFmpeg knows."""
    return next((track for track in container.streams.audio if decodable(track)), None)


def sound_frames(
    container: av.container.InputContainer, stream: av.AudioStream, reader: Reader
) -> Iterator[av.AudioFrame]:
    """What can be decoded of a track of sound, from where the file is on."""
    context = stream.codec_context
    context.options = {"max_samples": str(most_samples(context.sample_rate, context.channels))}
    try:
        for packet in container.demux():  # of other streams too: each is a time to look at the clock
            reader.next_packet()
            if packet.stream is not stream or fault(memoryview(packet), context.name):
                continue
            try:
                yield from stream.decode(packet)
            except (av.error.InvalidDataError, av.error.ArgumentError):
                continue  # damaged, or a frame beyond all measure: the next one may be sound
    except av.error.FFmpegError:  # cut off in the middle: what came so far is the recording
        return


class Converter:
    """Brings decoded sound of any form to what models hear. One for each recording."""

    def __init__(self) -> None:
        self._form: tuple[int, str, str] | None = None
        self._graph = Graph()

    def add(self, frame: av.AudioFrame) -> Iterator[NDArray[np.float32]]:
        """[n] of any length, mono, -1 to 1, `RATE` samples a second. Raises `NotUsable`."""
        form = (frame.sample_rate, frame.format.name, frame.layout.name)
        if form != self._form:  # also when it changes within the recording
            _check_form(frame.sample_rate, frame.layout.nb_channels)
            self._graph = _graph(*form)
            self._form = form
        self._graph.push(frame)
        yield from self._ready()

    def rest(self) -> Iterator[NDArray[np.float32]]:
        """[n] each, as of `add`: what the filter holds back until the end."""
        if self._form is not None:
            self._graph.push(None)
            yield from self._ready()

    def _ready(self) -> Iterator[NDArray[np.float32]]:
        """What is not finite becomes silence: a file of floats may hold anything."""
        with suppress(av.error.BlockingIOError, av.error.EOFError):
            while True:
                frame = self._graph.pull()
                samples = np.nan_to_num(frame.to_ndarray().ravel(), nan=0.0, posinf=0.0, neginf=0.0)
                yield np.clip(samples, -1.0, 1.0)


def _check_form(rate: int, channels: int) -> None:
    if rate not in RATES:
        raise NotUsable(
            f"has {rate} samples a second; sound of {RATES[0]:,} to {RATES[-1]:,} can be listened to"
        )
    if channels > MAX_CHANNELS:
        raise NotUsable(f"has {channels} channels; sound of up to {MAX_CHANNELS} can be listened to")


def _graph(rate: int, form: str, layout: str) -> Graph:
    """Unlike `av.AudioResampler` it mixes channels so that equal ones do not become louder, and clipped."""
    graph = Graph()
    graph.link_nodes(
        graph.add_abuffer(sample_rate=rate, format=form, layout=layout, time_base=Fraction(1, rate)),
        graph.add("aresample", f"{RATE}:ochl=mono:osf=flt:rematrix_maxval=1"),
        graph.add("abuffersink"),
    ).configure()
    return graph
