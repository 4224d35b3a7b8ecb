"""Bytes of requests on disk, written once: files that only grow, each deleted when nothing in it is needed.

SQLite would write a payload of 100 KB three times (log, checkpoint, free list): measured 290 us against 50.
A file, a *segment*, has a number that no other one ever had or will have: where one is lost, nothing of
another request is found in its place.
"""

import os
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from edged.flow.private import private_folder
from edged.requests.disk import Disk

SEGMENT_BYTES = 8_000_000
"""A segment that has become so long is not continued."""
SEGMENT_S = 30.0
"""Nor is one that was begun so long ago."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a payload stands, and how it is known again."""

    segment: int
    offset: int
    length: int
    checksum: int | None
    """CRC-32 of the request's identity and the payload; none: of a release that wrote none."""


class Spool:
    """Not safe from several threads at once: the journal's lock guards it. Raises `OSError`.

    An answered payload is gone as soon as none of its segment waits: at the latest so many seconds, or bytes,
    were written with it.
    """

    def __init__(
        self, folder: Path, needed: Iterable[Place], number: Callable[[], int], disk: Disk, *, syncs: bool
    ) -> None:
        """Opens the spool of `folder`; files that hold nothing of `needed` are deleted.

        `number` gives a new segment's. `syncs`: somebody will sync what `unsynced` names.
        """
        self._folder = folder
        self._number = number
        self._disk = disk
        self._syncs = syncs
        self._live = Counter(place.segment for place in needed)
        self._segment = 0
        self._file = -1
        """Of the segment that grows; negative: there is none."""
        self._end = 0
        self._begun = 0.0
        self._unsynced: list[Path] = []
        self._dead: list[Path] = []
        """Segments that go once it is safe that nothing in them is needed."""
        private_folder(folder)
        for segment in segments(folder):
            if segment not in self._live:
                disk.remove(self._path(segment))

    def write(self, payload: bytes, identity: bytes) -> Place:
        """Put the payload of a request down."""
        if self._file < 0 or self._end >= SEGMENT_BYTES:
            self._begin()
        self._disk.write(self._file, payload, self._end)
        place = Place(self._segment, self._end, len(payload), _checksum(payload, identity))
        self._end += len(payload)
        self._live[self._segment] += 1
        if self._syncs and self._path(self._segment) not in self._unsynced:
            self._unsynced.append(self._path(self._segment))
        return place

    def read(self, place: Place, identity: bytes) -> bytes | None:
        """The payload of this request; none when a power cut took it, or the disk errs."""
        try:
            payload = self._disk.read(self._path(place.segment), place.offset, place.length)
        except FileNotFoundError:
            return None
        whole = len(payload) == place.length
        return payload if whole and place.checksum in (None, _checksum(payload, identity)) else None

    def release(self, segment: int) -> None:
        """One payload less is needed."""
        self._live[segment] -= 1
        if segment != self._segment or self._file < 0 or self._end >= SEGMENT_BYTES:
            self._drop_if_empty(segment)

    def tidy(self) -> None:
        """End the segment that grows if nothing in it is needed, or it is old: so that it can go."""
        if not self._live[self._segment] or time.monotonic() - self._begun > SEGMENT_S:
            self.finish()

    def finish(self) -> None:
        """Continue the segment no more."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
            self._drop_if_empty(self._segment)

    def unsynced(self) -> list[Path]:
        """What is to be synced until all that was written is safe; it is named once."""
        found, self._unsynced = self._unsynced, []
        return found

    def dead(self) -> list[Path]:
        """What may go once what was answered is safe, too; it is named once."""
        found, self._dead = self._dead, []
        return found

    def _begin(self) -> None:
        self.finish()
        segment = self._number()
        self._file = self._disk.create(self._path(segment))
        self._segment, self._end, self._begun = segment, 0, time.monotonic()
        if self._syncs:
            self._unsynced.append(self._folder)

    def _drop_if_empty(self, segment: int) -> None:
        if self._live[segment] <= 0:
            if segment == self._segment and self._file >= 0:
                os.close(self._file)
                self._file = -1
            del self._live[segment]
            if self._syncs:  # a cut must not bring a request back whose payload is gone
                self._dead.append(self._path(segment))
            else:
                self._disk.remove(self._path(segment))

    def _path(self, segment: int) -> Path:
        return self._folder / str(segment)


def segments(folder: Path) -> list[int]:
    """The numbers of the segments in a folder."""
    return [int(path.name) for path in folder.iterdir() if path.name.isdigit()] if folder.exists() else []


def _checksum(payload: bytes, identity: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(identity))
