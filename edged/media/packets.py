"""Packets of strangers' media: which of sound are decoded, for one may promise hours of it in some bytes.

PyAV decodes all frames of a packet before anybody can look at the clock. *Measured*: 2 MB of one MP2 packet
are 2,000 frames; each 14 bytes of FLAC may be 65,535 samples of eight channels, 2 MB of memory.
"""

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

from edged.contracts.errors import NotMedia

MOST_BETWEEN = 64_000_000
"""Bytes that are read from one packet to the next, and to open a file."""
MAX_CHANNELS = 32

_UNCOMPRESSED, _COMPRESSED = 8_000_000, 1 << 16
"""Bytes of a packet. A frame of AAC has some 6,000 at most, one of Vorbis 65,000."""
_LARGE = ("pcm_", "adpcm_", "flac", "alac", "ape", "tta", "wavpack")
_FRAME_SAMPLES, _MOST_SAMPLES = 1 << 16, 1 << 23
_APE_SAMPLES = 1 << 21
_FLAC_FRAMES = (b"\xff\xf8", b"\xff\xf9")
"""How a frame of FLAC begins; within one it stands by chance every 32 KB."""


def most_samples(rate: int, channels: int) -> int:
    """Samples of all channels that a frame may have; real ones have up to 65,536 each, or a second of TTA."""
    return min(_MOST_SAMPLES, max(1, channels) * max(_FRAME_SAMPLES, 2 * rate))


def fault(data: memoryview, codec: str) -> str | None:
    """Why a packet is not decoded; none: it is."""
    if len(data) > (_UNCOMPRESSED if codec.startswith(_LARGE) else _COMPRESSED):
        return "the packet is too long"
    if codec == "flac":
        whole = bytes(data)
        if sum(map(whole.count, _FLAC_FRAMES)) > 16 + len(data) // 8192:
            return "the packet holds too many frames"
    if codec == "ape" and len(data) >= 4 and struct.unpack_from("<I", data)[0] > _APE_SAMPLES:
        return "the packet promises too many samples"
    return None


class Placed:
    """A file as one of several who read it sees it: with a place of its own."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._at = 0

    def read(self, size: int) -> bytes:
        """As of a file."""
        self._file.seek(self._at)
        data = self._file.read(size)
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """As of a file."""
        if whence == 1:
            offset, whence = offset + self._at, 0
        self._at = self._file.seek(offset, whence)
        return self._at

    def tell(self) -> int:
        """As of a file."""
        return self._at


class Reader:
    """A stranger's file while it is demuxed: looks at the clock, and at how much one packet wants."""

    def __init__(self, file: IO[bytes] | Placed, check: Callable[[], None]) -> None:
        """`check` raises when there is no time left; called at each read and seek."""
        self._file = file
        self._check = check
        self._read = 0
        self._wanders = False

    def read(self, size: int) -> bytes:
        """Raises `NotMedia` when one packet wants too much, and what `check` does."""
        self._check()
        data = self._file.read(size)
        self._read += len(data)
        if self._read > MOST_BETWEEN and not self._wanders:
            raise NotMedia(f"holds a packet of more than {MOST_BETWEEN} bytes")
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """As of a file."""
        self._check()
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """As of a file."""
        return self._file.tell()

    def next_packet(self) -> None:
        """One has come."""
        self._check()
        self._read = 0

    @contextmanager
    def wandering(self) -> Iterator[None]:
        """While a place is sought: where there is no index, a file is read up to it."""
        self._wanders = True
        try:
            yield
        finally:
            self._wanders, self._read = False, 0
