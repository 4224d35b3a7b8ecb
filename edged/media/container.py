"""Video and sound of strangers, opened with PyAV as a file object that can open nothing else.

Playlists (HLS, DASH, concat), session descriptions and numbered pictures name other files and hosts, which
FFmpeg would open: their formats are not on the list, and no protocol is.
"""

from typing import IO

import av
import av.error

from edged.contracts.errors import NotMedia

FORMATS = (
    *("mov", "matroska", "avi", "mpegts", "mpeg", "flv", "asf", "ogg"),
    *("wav", "mp3", "aac", "flac", "amr", "aiff"),
)
"""Demuxers that hold their media within; `mov` is MP4 too, `matroska` WebM."""
_NO_PROTOCOL = "none"
_OPTIONS = {"format_whitelist": ",".join(FORMATS), "protocol_whitelist": _NO_PROTOCOL}


class _Bytes:
    """Only the bytes of a file: its name would tell FFmpeg a format, and closing it is the owner's."""

    def __init__(self, file: IO[bytes]) -> None:
        self.read = file.read
        self.seek = file.seek
        self.tell = file.tell


def open_media(file: IO[bytes]) -> av.container.InputContainer:
    """Open what was fetched, to demux and decode; close both, the container first. Raises `NotMedia`."""
    try:
        return av.open(_Bytes(file), "r", container_options=_OPTIONS)
    except av.error.FFmpegError as error:
        raise NotMedia("the bytes are no video or sound of a format that this box opens") from error
