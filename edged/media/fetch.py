"""The only door for media that a stranger names: fetched first, within limits, then opened as a file object.

A URL never reaches a decoder: FFmpeg would follow redirects, proxies and playlists by itself. The rules stand
in `policy`; HTTP is spoken in `download`, files of this box are opened in `folders`.
"""

import time
from collections.abc import Callable, Generator
from contextlib import ExitStack
from dataclasses import dataclass
from os import fstat
from tempfile import SpooledTemporaryFile
from typing import IO, NamedTuple, Self, cast

from edged.contracts.errors import BadRequest, NotAllowed, NotFound, TooLarge
from edged.media.dial import Until
from edged.media.download import CHUNK, download
from edged.media.folders import open_file
from edged.media.policy import FetchSettings, check_scheme, scheme_of, split

UPLOAD = "upload"
"""Scheme of what a client has sent to this box ahead of its request."""
IN_MEMORY = 4_000_000
"""Bytes; longer media lies in the folder for temporary files."""


class ByteLimit(NamedTuple):
    """How many bytes a piece of media may have, and which setting says so."""

    most: int
    setting: str

    def exceeded(self) -> TooLarge:
        """The error to raise."""
        return TooLarge(
            f"the media has more than the {self.most} bytes of `{self.setting}`; send a smaller one"
        )


@dataclass(frozen=True, slots=True)
class Fetched:
    """Media that is here; closes its file as a context manager. A local file may still change."""

    file: IO[bytes]
    """At its beginning; to seek and to read."""
    size: int
    """Bytes."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


Uploads = Callable[[str], Fetched]
"""Opens an upload by its id. Raises `NotFound`."""


def fetch(
    url: str,
    settings: FetchSettings,
    limit: ByteLimit,
    deadline: float | None = None,
    uploads: Uploads | None = None,
) -> Fetched:
    """Bring the media of a URL or path here; `deadline` is `time.monotonic()`.

    Raises `BadRequest` for what is no URL, `NotAllowed` with the rule and the setting that would allow it,
    `NotFound`, `TooLarge`, `NotMedia`, or `TimedOut`. No error repeats the URL.
    """
    until = Until(time.monotonic() + settings.timeout_s, "`requests.fetch.timeout_s`")
    if deadline is not None and deadline < until.at:
        until = Until(deadline, "the request's `timeout_s`")
    scheme = scheme_of(url)
    if scheme == "file":
        return _bounded(_local(open_file(url, settings.folders)), limit)
    if scheme == UPLOAD and uploads is not None:
        return _bounded(uploads(url[len(UPLOAD) + 1 :]), limit)
    if scheme in ("http", "https"):
        return spooled(download(url, settings, until), limit)
    check_scheme(scheme, settings)
    return spooled(_stored(url, until), limit)


def _local(file: IO[bytes]) -> Fetched:
    return Fetched(file, fstat(file.fileno()).st_size)


def _bounded(found: Fetched, limit: ByteLimit) -> Fetched:
    if found.size > limit.most:
        found.file.close()
        raise limit.exceeded()
    return found


def spooled(chunks: Generator[bytes], limit: ByteLimit) -> Fetched:
    """Keep what comes, in memory or in a temporary file. Raises `TooLarge`, and what the chunks do."""
    size = 0
    with ExitStack() as opened:
        opened.callback(chunks.close)
        spool = cast(IO[bytes], opened.enter_context(SpooledTemporaryFile(IN_MEMORY)))
        for chunk in chunks:
            size += len(chunk)
            if size > limit.most:
                raise limit.exceeded()
            _keep(spool, chunk)
        spool.seek(0)
        opened.pop_all()
    return Fetched(spool, size)


def _keep(spool: IO[bytes], chunk: bytes) -> None:
    try:
        spool.write(chunk)
    except OSError as error:
        raise TooLarge(
            f"the media cannot be kept on this box: {error.strerror}; send less at a time"
        ) from error


def _stored(url: str, until: Until) -> Generator[bytes]:
    """The bytes of an object that fsspec knows how to get."""
    import fsspec  # noqa: PLC0415 - who fetches over HTTP, or nothing, does without

    split(url)
    scheme = scheme_of(url)
    if "::" in url:
        raise BadRequest("a URL that chains stores with `::` is not followed")
    try:
        with fsspec.open(url, "rb", compression=None) as file:
            while chunk := file.read(CHUNK):
                yield chunk
                until.left()
    except (ImportError, ValueError) as error:
        raise NotAllowed(f"fsspec has no driver for the scheme `{scheme}` on this box") from error
    except FileNotFoundError as error:
        raise NotFound("there is no such object in the store") from error
    except OSError as error:
        raise NotFound(f"the store cannot be read: {error.strerror or type(error).__name__}") from error
