"""Which requests are in work, in a file that survives the process: what killed it is known at the next start.

The file is mapped, so that a note costs microseconds and no sync: it survives a process that dies, and no
power cut, which makes nobody a suspect.
"""

import hashlib
import logging
import mmap
import os
import struct
import threading
from pathlib import Path

log = logging.getLogger(__name__)

MOST = 256
"""Requests that can be noted; one more is worked on without a note."""
_NOTE = struct.Struct("<32sBB")  # what is known of a request: its key, whether it is in work, deaths


class InWork:
    """Safe from all threads."""

    def __init__(self, path: Path | None) -> None:
        """Read what the last run left in `path`; none, or one that cannot be written: nothing is kept."""
        self._file = _opened(path)
        self._lock = threading.Lock()
        self._places: dict[bytes, int] = {}
        self._deaths: dict[bytes, int] = {}
        for place in range(MOST):
            key, working, deaths = _NOTE.unpack_from(self._file, place * _NOTE.size)
            if working or deaths:
                self._deaths[key] = deaths = min(255, deaths + working)
                self._write(place, key, working=False, deaths=deaths)

    def deaths(self, key: bytes | None) -> int:
        """So often the process died while it worked on this request."""
        return self._deaths.get(_digest(key), 0) if key is not None else 0

    def begin(self, key: bytes | None) -> None:
        """A request is in work."""
        if key is None:
            return
        with self._lock:
            digest = _digest(key)
            place = self._places.get(digest, self._free())
            if place is not None:
                self._write(place, digest, working=True, deaths=self._deaths.get(digest, 0))

    def pause(self, key: bytes | None) -> None:
        """It waits for something: who dies now does not die of it."""
        if key is None:
            return
        with self._lock:
            digest = _digest(key)
            if (place := self._places.get(digest)) is not None:
                self._write(place, digest, working=False, deaths=self._deaths.get(digest, 0))

    def end(self, key: bytes | None) -> None:
        """It is answered: it killed nobody, or will not be tried again."""
        if key is None:
            return
        with self._lock:
            digest = _digest(key)
            self._deaths.pop(digest, None)
            if (place := self._places.pop(digest, None)) is not None:
                _NOTE.pack_into(self._file, place * _NOTE.size, bytes(32), 0, 0)

    def close(self) -> None:
        """The end of the process is meant: nobody is to blame for it."""
        with self._lock:
            for digest, place in self._places.items():
                self._write(place, digest, working=False, deaths=self._deaths.get(digest, 0))

    def _write(self, place: int, digest: bytes, *, working: bool, deaths: int) -> None:
        self._places[digest] = place
        _NOTE.pack_into(self._file, place * _NOTE.size, digest, working, deaths)

    def _free(self) -> int | None:
        taken = set(self._places.values())
        return next((place for place in range(MOST) if place not in taken), None)


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def _opened(path: Path | None) -> mmap.mmap | bytearray:
    size = MOST * _NOTE.size
    if path is None:
        return bytearray(size)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("ab+") as file:
            path.chmod(0o600)
            os.posix_fallocate(file.fileno(), 0, size)  # a hole that cannot be filled would be a SIGBUS later
            return mmap.mmap(file.fileno(), size)
    except OSError as error:
        log.error(
            "%s cannot be written (%s): a request that kills the process is not known again", path, error
        )
        return bytearray(size)
