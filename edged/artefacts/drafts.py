"""Drafts: files that are still written. Who dies leaves them behind; the next one sweeps them away.

A draft is locked as long as it is written, so that no other process takes it for a leftover.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_PREFIX = ".draft-"
_NEW_S = 60.0
"""A draft that is so new may be about to be locked."""


@contextmanager
def draft_file(folder: Path, id: str) -> Iterator[tuple[Path, IO[bytes]]]:
    """A new file of ours alone, which is gone after the block unless it was renamed. Raises `OSError`."""
    path = folder / f"{_PREFIX}{id}"
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    file = os.fdopen(os.open(path, flags, 0o600), "w+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield path, file
    finally:
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # on a full disk: what was not written is not wanted
            file.close()


def sweep(folder: Path) -> int:
    """Remove the drafts of processes that have died; how many. Raises `OSError`."""
    return sum(_is_swept(path) for path in folder.glob(f"{_PREFIX}*"))


def _is_swept(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            if time.time() - os.fstat(file.fileno()).st_mtime < _NEW_S:
                return False
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
    except (FileNotFoundError, BlockingIOError):  # it is published just now, or somebody writes it
        return False
    return True
