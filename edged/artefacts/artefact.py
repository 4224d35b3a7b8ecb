"""One artefact: its id, which nobody guesses, and what is known of it."""

import mimetypes
import re
import secrets
from dataclasses import dataclass
from typing import IO, Self

_ID = re.compile(r"[0-9a-f]{32}(\.[a-z0-9]{1,8})?")


def new_id(suffix: str) -> str:
    """An id of 128 random bits with a suffix such as `.mp4`, or none. Raises `ValueError` for another one."""
    made = secrets.token_hex(16) + suffix
    if not is_id(made):
        raise ValueError(f"no suffix of an artefact: {suffix!r}")
    return made


def is_id(text: str) -> bool:
    """Whether this may be an id; then it is a file's name that leads nowhere else."""
    return _ID.fullmatch(text) is not None


def media_type(id: str) -> str:
    """By the suffix."""
    return mimetypes.guess_type(id)[0] or "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Artefact:
    """A file in the store, or one that will be there."""

    id: str
    """32 hexadecimal digits and the suffix: what stands behind `/artefacts/`."""
    uri: str
    """Where it lies: `file:///...`, `s3://...`, `oss://...`."""
    size: int
    """Bytes; 0 while it is not written."""
    address: str | None
    """Where HTTP gives it: under `http.public_url`, else `/artefacts/<id>`; none where HTTP is off."""


@dataclass(frozen=True, slots=True)
class OpenArtefact:
    """An artefact to read; closes its file as a context manager."""

    file: IO[bytes]
    """At its beginning; to seek and to read. It may go on being read when the artefact is removed."""
    size: int
    """Bytes."""
    media_type: str
    """Such as `video/mp4`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
