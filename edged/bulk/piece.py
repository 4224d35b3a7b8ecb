"""One item by its name, and where its bytes or its text are."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

from edged.media.policy import scheme_of


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a Parquet file."""

    file: str
    """URL of the file."""
    number: int
    """From 0, in the file."""
    group: int
    """Cell group, from 0."""


@dataclass(frozen=True, slots=True)
class Piece:
    """An item that is not here yet."""

    url: str
    """Names it, once in all that is asked; `FILE#row=7` or `FILE#line=7` where it is a part of a file."""
    size: int = 0
    """Bytes, as far as they are known."""
    text: str | None = None
    """The item itself, where it is a line of a file."""
    row: Cell | None = None
    """Where it is, unless `url` says so."""

    @property
    def id(self) -> str:
        """Short, and the same in every run."""
        return hashlib.sha256(self.url.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def local_path(url: str) -> Path | None:
    """The path of a `file:` URL, or of what has no scheme; none: it is elsewhere."""
    if scheme_of(url) != "file":
        return None
    if url[:5].lower() != "file:":
        return Path(url)
    return Path(os.fsdecode(unquote_to_bytes(urlsplit(url).path)))  # names need not be UTF-8
