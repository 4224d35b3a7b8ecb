"""The few calls by which the journal touches a disk: bytes and syncs are counted, and tests cut in here."""

import os
import sqlite3
from pathlib import Path

from edged.flow.counters import Counters

_PAGE = 4096
_FRAME = _PAGE + 24
"""Bytes of a page in SQLite's write-ahead log."""


class Disk:
    """Safe from all threads. Raises `OSError`. What is written is safe from a power cut once it is synced."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters

    def create(self, path: Path) -> int:
        """A new file that only we may read, open for `write`. One that is there is a `FileExistsError`."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def write(self, file: int, data: bytes, offset: int) -> None:
        """All of it."""
        view = memoryview(data)
        while view:
            written = os.pwrite(file, view, offset)
            view, offset = view[written:], offset + written
        self._counters.count("journal_bytes", "payloads", len(data))

    def read(self, path: Path, offset: int, length: int) -> bytes:
        """Fewer bytes where the file is shorter."""
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(length)

    def remove(self, path: Path) -> None:
        """A file that may be gone."""
        path.unlink(missing_ok=True)

    def sync(self, path: Path) -> None:
        """Wait until a file's bytes are safe; of a folder, which files it has."""
        is_folder = path.is_dir()
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            (os.fsync if is_folder else os.fdatasync)(file)
        finally:
            os.close(file)
        self._counters.count("journal_syncs", "folders" if is_folder else "files")

    def checkpoint(self, db: sqlite3.Connection, path: Path, *, truncate: bool = False) -> None:
        """Bring SQLite's log of the database at `path` home: here SQLite syncs by itself, log, then file.

        `truncate` empties the log, too; otherwise it is written over.
        """
        _, frames, _ = db.execute(
            f"PRAGMA wal_checkpoint({'TRUNCATE' if truncate else 'PASSIVE'})"
        ).fetchone()
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        if frames > 0:
            self._counters.count("journal_bytes", "table", frames * _FRAME + min(frames, pages) * _PAGE)
            self._counters.count("journal_syncs", "files", 2)
