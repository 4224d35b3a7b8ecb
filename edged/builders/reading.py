"""What the readers share: bounded files, and one error of ours that names the file with a fault."""

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from mmap import ACCESS_READ, mmap
from pathlib import Path

from edged.contracts.errors import RepositoryError

MAX_BYTES = 4_000_000_000
"""Bytes of a file, and of what it unpacks to, at most."""

_DAMAGE: tuple[type[Exception], ...] = (
    ArithmeticError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What parsing raises when the bytes are not what they should be."""


@contextmanager
def reading(path: Path, kind: str, *damage: type[Exception]) -> Iterator[None]:
    """Turn each fault of the file within the block into a `RepositoryError` that names it.

    `kind`: what the file should be; `damage`: the errors of the library that reads it, beside the usual ones.
    """
    try:
        yield
    except (*_DAMAGE, *damage) as error:
        raise RepositoryError(f"{path.name} cannot be read as {kind}: {error}") from error


@contextmanager
def mapped(path: Path) -> Iterator[mmap]:
    """The bytes of a file, read only. Raises `ValueError` when it is empty or too large."""
    with path.open("rb") as file:
        check_bytes(path.stat().st_size)
        with mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            yield data


def check_bytes(size: int) -> None:
    """Raise `ValueError` for more than `MAX_BYTES`."""
    if size > MAX_BYTES:
        raise ValueError(f"it holds {size} bytes; at most {MAX_BYTES} are read")
