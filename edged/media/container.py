"""The one door for sound and video of strangers: PyAV opens a file object, which can open nothing else.

Playlists (HLS, DASH, concat), session descriptions and numbered pictures name other files and hosts, which
FFmpeg would open: their formats are not on the list, and no protocol is.
"""

from typing import IO

import av
import av.error

from edged.contracts.errors import NotMedia
from edged.media.packets import Reader

FORMATS = (
    *("mov", "matroska", "avi", "mpegts", "mpeg", "flv", "asf", "ogg"),
    *("wav", "w64", "aiff", "au", "caf", "mp3", "aac", "ac3", "eac3", "amr", "amrnb", "amrwb"),
    *("flac", "ape", "tta", "wv"),
)
"""Demuxers that hold their media within; `mov` is MP4 and M4A too, `matroska` WebM, `ogg` Opus."""
_NO_PROTOCOL = "none"
_OPTIONS = {"format_whitelist": ",".join(FORMATS), "protocol_whitelist": _NO_PROTOCOL}


class _Bytes:
    """Only the bytes of a file: its name would tell FFmpeg a format, and closing it is the owner's."""

    def __init__(self, file: IO[bytes] | Reader) -> None:
        self.read = file.read
        self.seek = file.seek
        self.tell = file.tell


def open_media(file: IO[bytes] | Reader) -> av.container.InputContainer:
    """Open what was fetched, to demux and decode; close both, the container first. Raises `NotMedia`.

    Titles and other tags may be in any encoding: what is no UTF-8 in them is replaced. What a `Reader`
    raises comes through.
    """
    try:
        return av.open(_Bytes(file), "r", container_options=_OPTIONS, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as error:
        raise NotMedia("is no audio or video that can be read") from error


def decodable(track: av.AudioStream | av.VideoStream) -> bool:
    """Whether FFmpeg knows how it is encoded; PyAV gives it no decoder otherwise."""
    return getattr(track, "codec_context", None) is not None
