"""Video from cameras and files, decoded with PyAV (FFmpeg)."""

import itertools
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import av.error
import numpy as np

from edged.contracts.errors import SourceError
from edged.contracts.items import PixelFormat, Pixels
from edged.flow.budget import Budget
from edged.media.container import decodable
from edged.media.frame import VideoFrame
from edged.media.ring import Packet, PacketRing
from edged.media.source import Pace, SourceOptions, is_file, opened, redact

DECODER_THREADS = 4
"""At most so many a source: only cameras that cut a picture in slices, as 4K ones do, keep them busy."""


@dataclass(frozen=True, slots=True)
class VideoOptions(SourceOptions):
    """How the pictures of a source are played."""

    pictures_a_second: float = 1.0
    """Where each picture is a file, or is asked for by itself at a camera's URL."""
    key_frames_only: bool = False
    """Decode only frames that stand alone."""
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
    """At most `count` BGR pictures, evenly spread over the clip. Raises `SourceError`."""
    options = VideoOptions(real_time=False)
    never = threading.Event()
    total = sum(1 for _ in _timed_frames(str(path), options, never))
    wanted = set(np.linspace(0, max(total - 1, 0), min(count, total)).round().astype(int).tolist())
    frames = enumerate(_timed_frames(str(path), options, never))
    return [VideoFrame(decoded, 0.0, i).pixels(PixelFormat()) for i, (decoded, _) in frames if i in wanted]


def _live_frames(source: str, options: VideoOptions, stop: threading.Event) -> Iterator[VideoFrame]:
    for seq, (decoded, _) in enumerate(_timed_frames(source, options, stop)):
        yield VideoFrame(decoded, time.time(), seq)
    if not stop.is_set():
        raise SourceError(f"{redact(source)} ended its stream")


def _file_frames(source: str, options: VideoOptions, stop: threading.Event) -> Iterator[VideoFrame]:
    pace, begun = Pace(), 0.0
    for _ in itertools.count() if options.loop else range(1):
        seq, seconds = 0, 0.0  # each round opens it anew: what comes is another scene
        for decoded, seconds in _timed_frames(source, options, stop):
            if options.real_time and stop.wait(pace.delay(begun + seconds)):
                return
            yield VideoFrame(decoded, time.time(), seq)
            seq += 1
        if stop.is_set():
            return
        if not seq:
            raise SourceError(f"{redact(source)} holds no frame that can be decoded")
        last = seconds / (seq - 1) if seq > 1 else 1 / options.pictures_a_second
        begun += seconds + last  # which is shown as long as the others


def _timed_frames(
    source: str, options: VideoOptions, stop: threading.Event
) -> Iterator[tuple[av.VideoFrame, float]]:
    """Decoded frames, and the second of each since the beginning of the media.

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
            frames = _played(container, source, options, stop, None if single else options.ring)
            yield from itertools.islice(frames, 1 if single else None)
        if not single:
            return


def _is_picture(container: av.container.InputContainer) -> bool:
    return container.format.name == "image2" or container.format.name.endswith("_pipe")


def _played(
    container: av.container.InputContainer,
    source: str,
    options: VideoOptions,
    stop: threading.Event,
    ring: PacketRing | None,
) -> Iterator[tuple[av.VideoFrame, float]]:
    if not container.streams.video:
        raise SourceError(f"{redact(source)} has no video")
    stream = container.streams.video[0]
    if not decodable(stream):
        raise SourceError(f"the video of {redact(source)} is of a kind that cannot be decoded")
    _configure(stream, options)
    step = float(1 / (stream.guessed_rate or stream.average_rate or 25))
    first, last = None, -step
    packets = container.demux(stream) if ring is None else _ringed(container, stream, ring, source)
    for decoded in _decoded(packets, options, stop):
        second = decoded.time if decoded.time is not None else last + step
        first = second if first is None else first
        last = second
        yield decoded, second - first


def _configure(stream: av.VideoStream, options: VideoOptions) -> None:
    """Threads within a picture only: threads over pictures hold each frame back by as many as there are."""
    stream.thread_type = "SLICE"
    stream.codec_context.thread_count = min(DECODER_THREADS, os.cpu_count() or 1)
    if options.key_frames_only:
        stream.codec_context.skip_frame = "NONKEY"


def _ringed(
    container: av.container.InputContainer, stream: av.VideoStream, ring: PacketRing, source: str
) -> Iterator[Packet]:
    """Packets of the pictures, after all have been kept, those of the sound too."""
    for packet in container.demux(*ring.open(container, is_file=is_file(source))):
        is_video = packet.stream is stream
        ring.put(packet, is_video=is_video)
        if is_video:
            yield packet


def _decoded(
    packets: Iterator[Packet], options: VideoOptions, stop: threading.Event
) -> Iterator[av.VideoFrame]:
    for packet in packets:
        if stop.is_set():
            return
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:  # a lost packet; the next key frame repairs the picture
            options.damaged("a packet cannot be decoded")
            continue
        yield from frames
