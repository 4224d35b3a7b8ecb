"""A folder as the store: bounded by size and age, the oldest go first."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from edged.artefacts.artefact import is_id, new_id
from edged.artefacts.drafts import draft_file
from edged.contracts.errors import TooLarge
from edged.flow import clock
from edged.flow.counters import Counters
from edged.flow.private import private_folder

_READABLE = 0o644
"""No more than this is allowed to others, however open the folder is."""
_STEP_S = 60.0
"""A file whose time is off by more was written before somebody set the clock."""


@dataclass(frozen=True, slots=True)
class _Kept:
    path: Path
    size: int
    written: float
    """`time.time()`."""


class Retention(Protocol):
    """What is kept; settings."""

    @property
    def max_bytes(self) -> int:
        """Of all files."""

    @property
    def max_age(self) -> float:
        """Seconds."""


class ArtefactFolder:
    """Safe from all threads, and beside other processes. Touches nothing whose name is no id.

    One of our own is for nobody else to enter; one that the configuration names keeps its rights, and what
    it lets others read they may.
    """

    def __init__(
        self, path: Path, settings: Retention, counters: Counters, *, own: bool, name: str = "artefacts"
    ) -> None:
        """`name`: of what lies in it, in counters and the configuration."""
        self.path = path
        """Drafts lie here, too."""
        self._name = name
        self._settings = settings
        self._counters = counters
        self._own = own
        self._lock = threading.Lock()
        self._born: dict[str, float] = {}
        """When this process wrote them, in the kernel's time, which nobody sets."""

    def uri(self, id: str) -> str:
        return (self.path / id).absolute().as_uri()

    def check(self) -> None:
        """Make the folder where it is missing, and write into it. Raises `OSError`."""
        self.prepare()
        with draft_file(self.path, new_id("")):
            pass

    def prepare(self) -> None:
        """Make the folder where it is missing. Raises `OSError`."""
        if self._own or not self.path.is_dir():
            private_folder(self.path)

    def put(self, id: str, draft: Path, file: IO[bytes]) -> None:
        """Publish a finished draft. Raises `OSError`, and `TooLarge` for what the folder may not hold."""
        size, most = os.fstat(file.fileno()).st_size, self._settings.max_bytes
        if size > most:
            raise TooLarge(f"the file has {size} bytes, over `{self._name}.max_bytes` of {most}")
        os.fchmod(file.fileno(), self.path.stat().st_mode & _READABLE | 0o600)
        os.fsync(file.fileno())
        with self._lock:
            self._make_room(size)
            draft.rename(self.path / id)
            self._born[id] = clock.ticks()
        folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def open(self, id: str) -> tuple[IO[bytes], int]:
        """The file and its size. Raises `OSError`."""
        file = (self.path / id).open("rb")
        return file, os.fstat(file.fileno()).st_size

    def remove(self, id: str) -> None:
        """Raises `OSError`; nothing happens where there is none."""
        (self.path / id).unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove what is too old, and what is too much. Raises `OSError`."""
        with self._lock:
            self._make_room(0)

    def _make_room(self, size: int) -> None:
        now, dated = time.time(), clock.state() != "unsynced"
        kept = sorted(self._kept(), key=lambda one: one.written)
        self._born = {one.path.name: self._born[one.path.name] for one in kept if one.path.name in self._born}
        total = size + sum(one.size for one in kept)
        for one in kept:
            known = dated or one.path.name in self._born
            too_old = known and now - one.written > self._settings.max_age
            if not too_old and total <= self._settings.max_bytes:
                continue
            one.path.unlink(missing_ok=True)
            total -= one.size
            self._counters.count(self._name, "removed for age" if too_old else "removed for size")
            self._counters.count(f"{self._name[:-1]}_bytes", "removed", one.size)

    def _kept(self) -> Iterator[_Kept]:
        with os.scandir(self.path) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):  # another process was quicker
                    if is_id(entry.name) and entry.is_file(follow_symlinks=False):
                        yield self._seen(entry)

    def _seen(self, entry: os.DirEntry[str]) -> _Kept:
        facts = entry.stat(follow_symlinks=False)
        written = facts.st_mtime
        if (born := self._born.get(entry.name)) is not None:
            really = time.time() - (clock.ticks() - born)
            if abs(really - written) > _STEP_S:  # the clock was set since, and this file is as old as it is
                os.utime(entry.path, (really, really), follow_symlinks=False)
                written = really
        return _Kept(Path(entry.path), facts.st_size, written)
