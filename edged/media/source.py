"""Cameras and files, opened with PyAV (FFmpeg); errors are sentences without passwords."""

import errno
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

import av
import av.error

from edged.contracts.errors import SourceError
from edged.media.door import MAX_REDIRECTS, allowed, redirected

MAX_LAG_S = 1.0
"""A file played in real time that is late by more goes on from here, instead of rushing after the clock."""

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
class SourceOptions:
    """How a source is opened and played."""

    timeout_s: float = 2.0
    """Network sources: to open, and between two packets."""
    rtsp_transport: Literal["tcp", "udp"] = "tcp"
    redirect_hosts: tuple[str, ...] = ()
    """Hosts to which an HTTP camera may lead, beside its own; in lower case."""
    loop: bool = False
    """Files: begin again at the end."""
    real_time: bool = True
    """Files: at the speed at which they were recorded; else as fast as they decode."""
    damaged: Callable[[str], None] = _ignore
    """Called with the reason for each packet or picture that could not be decoded."""


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


def is_file(source: str) -> bool:
    """A path or a `file:` URL, but no device."""
    return not is_device(source) and urlsplit(source).scheme in ("", "file")


def is_device(source: str) -> bool:
    """Such as `/dev/video0`."""
    return source.startswith("/dev/")


@contextmanager
def opened(
    source: str, options: SourceOptions, only: Literal["audio"] | None = None, *, again: bool = False
) -> Iterator[av.container.InputContainer]:
    """Open a source to demux and decode; raises `SourceError`, also for what FFmpeg raises within the block.

    `only` asks an RTSP camera for nothing else; `again`: its host was reached before.
    """
    began = again
    try:
        with _open(source, options, only) as container:
            began = True
            yield container
    except av.error.FFmpegError as error:
        # The cause names the whole URL.
        raise SourceError(_sentence(source, options, error, began=began)) from None


def _open(source: str, options: SourceOptions, only: str | None) -> av.container.InputContainer:
    if is_device(source):
        return av.open(source, format="v4l2", timeout=(options.timeout_s, options.timeout_s))
    own = allowed(source)
    if is_file(source):
        return av.open(source.removeprefix("file://"), options=own)
    own["fpsprobesize"] = "0"  # else FFmpeg holds back 2 s of frames, to guess a rate that nobody asks for
    if source.startswith("rtsp"):
        return _open_rtsp(source, options, own | ({"allowed_media_types": only} if only else {}))
    return _open_url(source, options, own)


def _open_url(source: str, options: SourceOptions, own: dict[str, str]) -> av.container.InputContainer:
    for _ in range(MAX_REDIRECTS):
        named = ("&" if "?" in source else "?") if _NAMED_PICTURE.search(source) else ""
        try:
            return av.open(source + named, options=own, timeout=(options.timeout_s, options.timeout_s))
        except av.error.OSError as error:  # so FFmpeg calls a redirect that it must not follow, too
            if error.errno != errno.EIO or not source.startswith("http"):
                raise
            if (target := redirected(source, options.redirect_hosts, options.timeout_s)) is None:
                raise
        source, own = target, {**own, **allowed(target)}
    raise SourceError(f"{redact(source)} redirects more than {MAX_REDIRECTS} times")


def _open_rtsp(source: str, options: SourceOptions, own: dict[str, str]) -> av.container.InputContainer:
    own["rtsp_transport"] = options.rtsp_transport
    began = time.monotonic()
    try:
        return av.open(source, options=own, timeout=(options.timeout_s, options.timeout_s))
    except av.error.InvalidDataError:  # so FFmpeg calls silence, too
        if time.monotonic() - began >= options.timeout_s:
            raise SourceError(_SILENCE.format(name=redact(source), timeout=options.timeout_s)) from None
        raise SourceError(f"{redact(source)} answers, but not as a camera that speaks RTSP") from None
    except av.error.HTTPOtherClientError:  # to play none of its tracks
        raise SourceError(f"{redact(source)} has no sound, or refuses to send it") from None


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
        "{name} cannot be opened; if its password holds special characters, write %40 for @, %2F for /; "
        "if it sends a playlist, name one that ends in .m3u8 or .mpd",
    ),
    (av.error.InvalidDataError, "{name} is no video or sound that can be read"),
    (
        av.error.ProtocolNotFoundError,
        "{name} begins with a protocol that is not known; try rtsp:// or http://",
    ),
    (av.error.EOFError, "{name} ended its stream"),
)


def _sentence(source: str, options: SourceOptions, error: av.error.FFmpegError, *, began: bool) -> str:
    for kind, sentence in _SENTENCES:
        if isinstance(error, kind):
            return sentence.format(name=redact(source), timeout=options.timeout_s)
    if error.errno == errno.EIO and not is_device(source) and not is_file(source):
        broken_off = f"{redact(source)} broke off"
        return broken_off if began else f"{redact(source)} cannot be reached; is the name of the host right?"
    return f"{redact(source)} cannot be read: {error.strerror}"
