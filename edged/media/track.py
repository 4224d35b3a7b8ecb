"""The sound of a camera, or of a file that plays one, decoded with PyAV (FFmpeg) as it comes."""

import itertools
import threading
import time
from collections.abc import Iterator

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from edged.contracts.errors import NotUsable, SourceError
from edged.media.chunks import CHUNK, ChunkCutter, SoundChunk
from edged.media.container import decodable
from edged.media.sound import RATE, Converter
from edged.media.source import Pace, SourceOptions, is_file, opened, redact


def open_track(source: str, options: SourceOptions, stop: threading.Event) -> Iterator[SoundChunk]:
    """The sound of a file or a URL, until its end or until `stop` is set; pictures are not decoded.

    Raises `SourceError`; a live source that ends is one.
    """
    played = _file_blocks if is_file(source) else _live_blocks
    cutter = ChunkCutter()
    for samples in played(source, options, stop):
        yield from cutter.add(samples, time.time())
    yield from cutter.rest(time.time())


def _live_blocks(source: str, options: SourceOptions, stop: threading.Event) -> Iterator[NDArray[np.float32]]:
    yield from _blocks(source, options, stop)
    if not stop.is_set():
        raise SourceError(f"{redact(source)} ended its stream")


def _file_blocks(source: str, options: SourceOptions, stop: threading.Event) -> Iterator[NDArray[np.float32]]:
    """Never more than a chunk at a time, each when its last sample is due."""
    pace, played = Pace(), 0
    pace.delay(0.0)  # the clock starts
    for _ in itertools.count() if options.loop else range(1):
        before = played
        for block in _blocks(source, options, stop):
            for begin in range(0, len(block), CHUNK):
                part = block[begin : begin + CHUNK]
                played += len(part)
                if options.real_time and stop.wait(pace.delay(played / RATE)):
                    return
                yield part
        if stop.is_set():
            return
        if played == before:
            raise SourceError(f"{redact(source)} holds no sound that can be decoded")


def _blocks(source: str, options: SourceOptions, stop: threading.Event) -> Iterator[NDArray[np.float32]]:
    """[n] of any length, 16 kHz, mono."""
    with opened(source, options, only="audio") as container:
        if not container.streams.audio:
            raise SourceError(f"{redact(source)} has no sound")
        if not decodable(container.streams.audio[0]):
            raise SourceError(f"the sound of {redact(source)} is of a kind that cannot be decoded")
        converter = Converter()
        for packet in container.demux(container.streams.audio[0]):
            if stop.is_set():
                return
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:
                options.damaged("a packet of sound cannot be decoded")
                continue
            try:
                for frame in frames:
                    yield from converter.add(frame)
            except NotUsable as error:
                raise SourceError(f"the sound of {redact(source)} {error}") from error
        yield from converter.rest()
