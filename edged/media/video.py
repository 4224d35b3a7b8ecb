"""Video from cameras and files, decoded with PyAV (FFmpeg)."""

import itertools
import math
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from edged.contracts.errors import SourceError
from edged.contracts.items import PixelFormat, Pixels
from edged.flow.budget import Budget
from edged.media.container import decodable
from edged.media.decoding import Decoding, NeedOf, everything
from edged.media.frame import VideoFrame
from edged.media.playing import Playing, Timed
from edged.media.ring import Packet, PacketRing
from edged.media.source import Pace, SourceOptions, is_file, opened, redact

DECODER_THREADS = 4
"""At most so many a source of `MANY_PIXELS`."""
MANY_PIXELS = 2560 * 1440
"""Cameras that send more of them, as 4K ones do, cut a picture in slices. Others do not: a second thread is
woken for each picture and finds nothing to do. *Measured*, CPU a frame of 720p: 1.65 ms with, 1.55 else."""


@dataclass(frozen=True, slots=True)
class VideoOptions(SourceOptions):
    """How the pictures of a source are played."""

    pictures_a_second: float = 1.0
    """Where each picture is a file, or is asked for by itself at a camera's URL."""
    need: NeedOf = everything
    """Which pictures must be decoded."""
    patience_s: float = math.inf
    """Seconds for which packets may come of which none can be decoded."""
    memory: Budget | None = None
    """What decoding pictures of a folder shares with requests; none: nothing is counted."""
    ring: PacketRing | None = None
    """What holds the packets for recordings; none: nothing is recorded."""


def open_video(source: str, options: VideoOptions, stop: threading.Event) -> Iterator[VideoFrame]:
    """Frames of a file, a `/dev/video*` device or a URL, until its end or until `stop` is set.

    Live frames carry the time at which they arrived. Raises `SourceError`; a live source that ends is one.
    """
    if is_file(source):
        return _file_frames(source, options, stop)
    return _live_frames(source, options, stop)


def sample_frames(path: Path, count: int) -> list[Pixels]:
    """At most `count` pictures [height, width, 3] u8, BGR, spread over a clip. Raises `SourceError`."""
    options = VideoOptions(real_time=False)
    never = threading.Event()
    total = sum(1 for _ in _frames(str(path), options, never, iter))
    wanted = set(np.linspace(0, max(total - 1, 0), min(count, total)).round().astype(int).tolist())
    frames = enumerate(_frames(str(path), options, never, iter))
    return [VideoFrame(decoded, 0.0, i).pixels(PixelFormat()) for i, (decoded, _) in frames if i in wanted]


def _live_frames(source: str, options: VideoOptions, stop: threading.Event) -> Iterator[VideoFrame]:
    for seq, (decoded, came_at) in enumerate(_frames(source, options, stop, iter)):
        yield VideoFrame(decoded, came_at, seq)
    if not stop.is_set():
        raise SourceError(f"{redact(source)} ended its stream")


def _file_frames(source: str, options: VideoOptions, stop: threading.Event) -> Iterator[VideoFrame]:
    playing = Playing(stop if options.real_time else None)
    for _ in itertools.count() if options.loop else range(1):
        seq = 0  # each round opens it anew: what comes is another scene
        for decoded, came_at in _frames(source, options, stop, playing.timed):
            yield VideoFrame(decoded, came_at, seq)
            seq += 1
        if stop.is_set():
            return
        if not seq:
            raise SourceError(f"{redact(source)} holds no frame that can be decoded")


def _frames(
    source: str, options: VideoOptions, stop: threading.Event, timed: Timed
) -> Iterator[tuple[av.VideoFrame, float]]:
    """Decoded frames, and when each of them came. `timed` lets packets through at their time.

    A URL of one picture, as many cameras have besides their video, is asked again and again.
    """
    pace = Pace()
    for seen in itertools.count():
        if stop.wait(pace.delay(seen / options.pictures_a_second)):
            return
        with opened(source, options, again=seen > 0) as container:
            single = _is_picture(container) and not is_file(source)
            if single and options.ring is not None:
                options.ring.refuse("it gives single pictures, and no video")
            # What follows a picture of a length that the server did not tell is an error to FFmpeg.
            ring = None if single else options.ring
            decoding, packets = _opened(container, source, options, ring, timed)
            yield from itertools.islice(decoding.pictures(packets, stop), 1 if single else None)
        if not single:
            return


def _is_picture(container: av.container.InputContainer) -> bool:
    return container.format.name == "image2" or container.format.name.endswith("_pipe")


def _opened(
    container: av.container.InputContainer,
    source: str,
    options: VideoOptions,
    ring: PacketRing | None,
    timed: Timed,
) -> tuple[Decoding, Iterator[Packet]]:
    if not container.streams.video:
        raise SourceError(f"{redact(source)} has no video")
    stream = container.streams.video[0]
    if not decodable(stream):
        raise SourceError(f"the video of {redact(source)} is of a kind that cannot be decoded")
    _configure(stream)
    decoding = Decoding(stream.codec_context, options.need, options.damaged, options.patience_s)
    if ring is None:
        return decoding, timed(container.demux(stream))
    packets = timed(container.demux(*ring.open(container, is_file=is_file(source))))
    return decoding, _ringed(packets, stream, ring)


def _configure(stream: av.VideoStream) -> None:
    """Threads within a picture only: threads over pictures hold each frame back by as many as there are."""
    context = stream.codec_context
    stream.thread_type = "SLICE"
    many = context.width * context.height > MANY_PIXELS
    context.thread_count = min(DECODER_THREADS, os.cpu_count() or 1) if many else 1


def _ringed(packets: Iterator[Packet], stream: av.VideoStream, ring: PacketRing) -> Iterator[Packet]:
    """Packets of the pictures, after all have been kept, those of the sound too."""
    for packet in packets:
        is_video = packet.stream is stream
        ring.put(packet, is_video=is_video)
        if is_video:
            yield packet
