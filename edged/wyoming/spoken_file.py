"""What somebody says to Home Assistant, piece by piece, as a WAV file."""

import wave
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from tempfile import SpooledTemporaryFile
from typing import IO, Any, cast

from edged.contracts.errors import BadRequest, TooLarge
from edged.media.fetch import IN_MEMORY, ByteLimit

RATES = range(8_000, 48_001)
"""Samples a second."""
WIDTHS = (2, 4)
"""Bytes of a sample."""
CHANNELS = (1, 2)


class SpokenFile:
    """Open until it is taken or closed."""

    def __init__(self, sound: Mapping[str, Any], longest_s: float, limit: ByteLimit) -> None:
        """`sound`: rate, width and channels, as `audio-start` says them. Raises `BadRequest`."""
        rate: Any = sound.get("rate")
        width: Any = sound.get("width")
        channels: Any = sound.get("channels")
        if rate not in RATES or width not in WIDTHS or channels not in CHANNELS:
            raise BadRequest(
                "the sound must have 8000 to 48000 samples a second of 2 or 4 bytes, in 1 or 2 channels, "
                f"not {rate!r:.20}, {width!r:.20}, {channels!r:.20}"
            )
        room = int(longest_s * rate) * width * channels
        self._over = TooLarge(f"more than the {longest_s:g} s of `wyoming.longest` were said")
        if room > limit.most:
            room, self._over = limit.most, limit.exceeded()
        self._room = room
        spool = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - open for as long as somebody speaks
        self._file = cast(IO[bytes], spool)
        self._wave = wave.open(self._file, "wb")  # noqa: SIM115 - the same
        self._wave.setparams((channels, width, rate, 0, "NONE", ""))

    def put(self, sound: bytes) -> None:
        """More of it. Raises `TooLarge`."""
        self._room -= len(sound)
        if self._room < 0:
            raise self._over
        with _kept():
            self._wave.writeframesraw(sound)

    def taken(self) -> IO[bytes]:
        """The file, whole, at its beginning; who takes it closes it. Raises `TooLarge`."""
        with _kept():
            self._wave.close()
            self._file.seek(0)
        return self._file

    def close(self) -> None:
        """Nobody wants it."""
        for file in (self._wave, self._file):
            with suppress(OSError):  # of a full disk, on which the header has no room either
                file.close()


@contextmanager
def _kept() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TooLarge(f"the sound cannot be kept on this box: {error.strerror}") from error
