"""Folders and files that are nobody else's business: they hold pictures of requests."""

import contextlib
import os
from pathlib import Path


def private_folder(path: Path) -> None:
    """Make a folder that only we may enter, as those above it that are missing; one that is there becomes so.

    Raises `OSError`.
    """
    for missing in reversed([p for p in (path, *path.parents) if not p.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
    _allow(path, 0o700)


def private_file(path: Path) -> None:
    """Have a file that only we may read, empty if it is new. Raises `OSError`."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    _allow(path, 0o600)


def _allow(path: Path, mode: int) -> None:
    if path.stat().st_mode & 0o777 != mode:
        with contextlib.suppress(PermissionError):  # it is somebody else's, who decides
            path.chmod(mode)
