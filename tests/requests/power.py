"""A disk that forgets what was not synced: a small file system over real files, whose power is cut at will.

What is live are the real files, so that SQLite works on them. Beside them stands what the platter holds: a
file's bytes as of its last sync, a folder's names as of its own. A cut leaves, in a folder of its own, for
each sector of a file either what the platter had or what was live, for each name that was not synced either
the file or none, and for each file that was removed since its folder was synced perhaps the old one.

SQLite's own calls are not seen, so of its two files is assumed what SQLite documents: the database changes in
checkpoints alone, after the log was synced, and is synced before the log is begun anew, whose header is
synced first. A cut may come in the middle of a checkpoint.
"""

import shutil
import threading
from pathlib import Path
from random import Random

from edged.requests.disk import Disk

SECTOR = 512
_HEADER = 32
"""Bytes of the header of SQLite's log."""


class PowerCut(BaseException):
    """The machine is off. Nobody catches it but the test."""


class FickleDisk(Disk):
    """Forgets. Made anew after each cut."""

    def __init__(self, counters, root: Path, random: Random) -> None:
        super().__init__(counters)
        self.cut_in_checkpoint = False
        """Whether the next checkpoint is cut off."""
        self.remains: Path | None = None
        """What a checkpoint that was cut off left."""
        self._lock = threading.Lock()
        self._root = root
        self._random = random
        self._platter = {path: path.read_bytes() for path in _files(root)}
        """By the live file: the bytes that are safe."""
        self._names = set(self._platter)
        """The files whose names are safe."""
        self._gone: dict[Path, bytes] = {}
        """Files whose removal is not: they may come back."""

    def remove(self, path: Path) -> None:
        with self._lock:
            if path in self._names:
                self._gone[path] = self._platter.get(path, b"")
            self._names.discard(path)
            self._platter.pop(path, None)
            super().remove(path)

    def sync(self, path: Path) -> None:
        super().sync(path)
        with self._lock:
            if self.remains is not None:
                raise OSError(5, "there is no power")
            if path.is_dir():
                self._names |= {found for found in path.iterdir() if found.is_file()}
                self._gone = {gone: data for gone, data in self._gone.items() if gone.parent != path}
            else:
                self._platter[path] = path.read_bytes()

    def checkpoint(self, db, path: Path, *, truncate: bool = False) -> None:
        log = path.with_name(f"{path.name}-wal")
        with self._lock:
            self._platter[log] = log.read_bytes()  # SQLite syncs it first
            self._platter[path] = path.read_bytes()
            super().checkpoint(db, path, truncate=truncate and not self.cut_in_checkpoint)
            if self.cut_in_checkpoint:
                self.remains = self._leave()
                raise PowerCut
            self._platter[path] = path.read_bytes()
            if truncate:
                self._platter[log] = b""

    def cut(self) -> Path:
        """The power goes: the folder that the next start finds."""
        db = self._root / "requests.db"
        with self._lock:
            if self.remains is None:
                self._platter[db] = db.read_bytes()  # nothing but a checkpoint changes it
            return self.remains or self._leave()

    def _leave(self) -> Path:
        left = self._root.with_name(f"{self._root.name}+")
        shutil.rmtree(left, ignore_errors=True)
        for path in _files(self._root):
            if path in self._names or self._random.random() < 0.5:
                old, new = self._platter.get(path, b""), path.read_bytes()
                keep = _HEADER if path.name.endswith("-wal") else 0
                _write(left, path.relative_to(self._root), new[:keep] + self._mix(old, new)[keep:])
        for path, data in self._gone.items():
            if self._random.random() < 0.5:
                _write(left, path.relative_to(self._root), data)
        return left

    def _mix(self, old: bytes, new: bytes) -> bytes:
        """Sector by sector, and zeroes where the length alone was written."""
        length = self._random.choice([len(old), len(new), self._random.randint(0, len(new))])
        length = max(length, len(old))
        kind = self._random.random()
        """Seldom nothing or all of it came through."""
        mixed = bytearray()
        for at in range(0, length, SECTOR):
            source = new if self._random.random() < kind else old
            mixed += source[at : at + SECTOR].ljust(min(SECTOR, length - at), b"\0")
        return bytes(mixed)


def _files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def _write(root: Path, name: Path, data: bytes) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(data)
