"""Video from cameras and files, decoded with PyAV (FFmpeg); errors are sentences without passwords."""

import errno
import itertools
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import av
import av.error
import numpy as np

from edged.contracts.errors import SourceError
from edged.contracts.items import PixelFormat, Pixels
from edged.media.frame import VideoFrame

MAX_LAG_S = 1.0
"""A file played in real time that is late by more goes on from here, instead of rushing after the clock."""

DECODER_THREADS = 4
"""At most so many a source: only cameras that cut a picture in slices, as 4K ones do, keep them busy."""

_USER = re.compile(r"(?<=://).*@", re.DOTALL)  # up to the last @: a password may hold a / or an @
_QUERY = re.compile(r"\?.*", re.DOTALL)
_NAMED_PICTURE = re.compile(r"(?i)\.(jpe?g|png|bmp)$")  # by that FFmpeg goes, and awaits the end of MJPEG
_PATH = re.compile(r"(?i)(pass\w*|pwd|token)=[^/]*")  # rtsp://host/user=admin&password=x&channel=1 is common


def redact(source: str) -> str:
    """The source without user, password and query, fit for logs: `rtsp://user:pass@host/x` is `rtsp://host/x`."""
    return _PATH.sub(r"\1=...", _QUERY.sub("", _USER.sub("", source))) if "://" in source else source


def _ignore(what: str) -> None:
    """Nobody counts."""


@dataclass(frozen=True, slots=True)
class VideoOptions:
    """How a source is opened."""

    timeout_s: float = 2.0
    """Network sources: to open, and between two packets."""
    rtsp_transport: Literal["tcp", "udp"] = "tcp"
    loop: bool = False
    """Files: begin again at the end."""
    real_time: bool = True
    """Files: at the speed at which they were recorded; else as fast as they decode."""
    pictures_a_second: float = 1.0
    """Where each picture is a file, or is asked for by itself at a camera's URL."""
    key_frames_only: bool = False
    """Decode only frames that stand alone."""
    damaged: Callable[[str], None] = _ignore
    """Called with the reason for each packet or picture that could not be decoded."""


def open_video(source: str, options: VideoOptions, stop: threading.Event) -> Iterator[VideoFrame]:
    """Frames of a file, a `/dev/video*` device or a URL, until its end or until `stop` is set.

    Live frames carry the time at which they arrived. Raises `SourceError`; a live source that ends is one.
    """
    if _is_file(source):
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


def _is_file(source: str) -> bool:
    return not _is_device(source) and urlsplit(source).scheme in ("", "file")


def _is_device(source: str) -> bool:
    return source.startswith("/dev/")


def _live_frames(source: str, options: VideoOptions, stop: threading.Event) -> Iterator[VideoFrame]:
    for seq, (decoded, _) in enumerate(_timed_frames(source, options, stop)):
        yield VideoFrame(decoded, time.time(), seq)
    if not stop.is_set():
        raise SourceError(f"{redact(source)} ended its stream")


def _file_frames(source: str, options: VideoOptions, stop: threading.Event) -> Iterator[VideoFrame]:
    seq, pace, begun = 0, Pace(), 0.0
    for _ in itertools.count() if options.loop else range(1):
        before, seconds = seq, 0.0
        for decoded, seconds in _timed_frames(source, options, stop):
            if options.real_time and stop.wait(pace.delay(begun + seconds)):
                return
            yield VideoFrame(decoded, time.time(), seq)
            seq += 1
        if stop.is_set():
            return
        if seq == before:
            raise SourceError(f"{redact(source)} holds no frame that can be decoded")
        shown = seq - before
        last = seconds / (shown - 1) if shown > 1 else 1 / options.pictures_a_second
        begun += seconds + last  # which is shown as long as the others


class Pace:
    """Keeps frames as far apart as they were recorded, or as somebody wants them."""

    def __init__(self) -> None:
        self._start: float | None = None

    def delay(self, seconds: float) -> float:
        """How long to wait for the frame that is shown `seconds` after the beginning."""
        now = time.monotonic()
        if self._start is None or now - (self._start + seconds) > MAX_LAG_S:
            self._start = now - seconds
        return max(0.0, self._start + seconds - now)


def _timed_frames(
    source: str, options: VideoOptions, stop: threading.Event
) -> Iterator[tuple[av.VideoFrame, float]]:
    """Decoded frames, and the second of each since the beginning of the media.

    A URL of one picture, as many cameras have besides their video, is asked again and again.
    """
    pace, rounds, again, opened = Pace(), itertools.count(), True, False
    try:
        while again and not stop.wait(pace.delay(next(rounds) / options.pictures_a_second)):
            with _opened(source, options) as container:
                opened, again = True, _is_picture(container) and not _is_file(source)
                # What follows a picture of a length that the server did not tell is an error to FFmpeg.
                yield from itertools.islice(_played(container, source, options, stop), 1 if again else None)
    except av.error.FFmpegError as error:
        # The cause names the whole URL.
        raise SourceError(_sentence(source, options, error, opened=opened)) from None


def _is_picture(container: av.container.InputContainer) -> bool:
    return container.format.name == "image2" or container.format.name.endswith("_pipe")


def _played(
    container: av.container.InputContainer, source: str, options: VideoOptions, stop: threading.Event
) -> Iterator[tuple[av.VideoFrame, float]]:
    if not container.streams.video:
        raise SourceError(f"{redact(source)} has no video")
    stream = container.streams.video[0]
    _configure(stream, options)
    step = float(1 / (stream.guessed_rate or stream.average_rate or 25))
    first, last = None, -step
    for decoded in _decoded(container, stream, options, stop):
        second = decoded.time if decoded.time is not None else last + step
        first = second if first is None else first
        last = second
        yield decoded, second - first


def _opened(source: str, options: VideoOptions) -> av.container.InputContainer:
    if _is_device(source):
        return av.open(source, format="v4l2", timeout=(options.timeout_s, options.timeout_s))
    if _is_file(source):
        return av.open(source.removeprefix("file://"))
    # Else FFmpeg holds back the first 2 s of frames, to guess a rate that nobody asks for.
    own = {"fpsprobesize": "0", "pattern_type": "none"}  # it takes %401d in the URL of a picture for a number
    if source.startswith("rtsp"):
        return _rtsp_opened(source, options, own)
    if _NAMED_PICTURE.search(source):
        source += "&" if "?" in source else "?"
    return av.open(source, options=own, timeout=(options.timeout_s, options.timeout_s))


def _rtsp_opened(source: str, options: VideoOptions, own: dict[str, str]) -> av.container.InputContainer:
    own["rtsp_transport"] = options.rtsp_transport
    began = time.monotonic()
    try:
        return av.open(source, options=own, timeout=(options.timeout_s, options.timeout_s))
    except av.error.InvalidDataError:  # so FFmpeg calls silence, too
        if time.monotonic() - began >= options.timeout_s:
            raise SourceError(_SILENCE.format(name=redact(source), timeout=options.timeout_s)) from None
        raise SourceError(f"{redact(source)} answers, but not as a camera that speaks RTSP") from None


def _configure(stream: av.VideoStream, options: VideoOptions) -> None:
    """Threads within a picture only: threads over pictures hold each frame back by as many as there are."""
    stream.thread_type = "SLICE"
    stream.codec_context.thread_count = min(DECODER_THREADS, os.cpu_count() or 1)
    if options.key_frames_only:
        stream.codec_context.skip_frame = "NONKEY"


def _decoded(
    container: av.container.InputContainer,
    stream: av.VideoStream,
    options: VideoOptions,
    stop: threading.Event,
) -> Iterator[av.VideoFrame]:
    for packet in container.demux(stream):
        if stop.is_set():
            return
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:  # a lost packet; the next key frame repairs the picture
            options.damaged("a packet cannot be decoded")
            continue
        yield from frames


_SILENCE = "{name} sent nothing for {timeout:g} s; is it on, and can this box reach it?"
_SENTENCES: tuple[tuple[type[Exception], str], ...] = (
    (av.error.ExitError, _SILENCE),
    (av.error.TimeoutError, "{name} does not answer; is it on, and can this box reach it?"),
    (av.error.ConnectionRefusedError, "nothing listens at {name}; is it on, and is the port right?"),
    (av.error.HTTPUnauthorizedError, "{name}: user or password is wrong, or missing"),
    (av.error.HTTPForbiddenError, "{name} does not allow this user to watch it"),
    (av.error.HTTPNotFoundError, "{name} does not exist on that server; check the path of the URL"),
    (av.error.FileNotFoundError, "{name} does not exist; check the path"),
    (av.error.PermissionError, "{name} may not be read; for a camera add the user to the group `video`"),
    (av.error.IsADirectoryError, "{name} is a folder; name a file in it"),
    (
        av.error.ArgumentError,
        "{name} cannot be opened; if its password holds special characters, write %40 for @, %2F for /",
    ),
    (av.error.InvalidDataError, "{name} is no video that can be read"),
    (
        av.error.ProtocolNotFoundError,
        "{name} begins with a protocol that is not known; try rtsp:// or http://",
    ),
    (av.error.EOFError, "{name} ended its stream"),
)


def _sentence(source: str, options: VideoOptions, error: av.error.FFmpegError, *, opened: bool) -> str:
    for kind, sentence in _SENTENCES:
        if isinstance(error, kind):
            return sentence.format(name=redact(source), timeout=options.timeout_s)
    if error.errno == errno.EIO and not _is_device(source) and not _is_file(source):
        broken_off = f"{redact(source)} broke off"
        return broken_off if opened else f"{redact(source)} cannot be reached; is the name of the host right?"
    return f"{redact(source)} cannot be read: {error.strerror}"
