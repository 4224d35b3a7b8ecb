"""Bytes on their way to the disk: bounded, hashed, and going on where an earlier try ended."""

import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from errno import EDQUOT, EFBIG, ENOSPC
from pathlib import Path

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from edged.contracts.errors import OriginError, RepositoryError
from edged.weights.web import TRIES, Web, refusal, shown, whole_length

log = logging.getLogger(__name__)

CHUNK = 1 << 18
"""Bytes that are read, hashed and written at a time."""

Progress = Callable[[int, int], None]
"""Called with the bytes that are here and the bytes that there will be (0 where nobody says)."""


@contextmanager
def disk(path: Path) -> Iterator[None]:
    """Turn a failure to write `path` into a `RepositoryError` that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in (ENOSPC, EDQUOT, EFBIG):
            raise RepositoryError(
                f"the disk is full, {path} cannot be written: free some space and pull again"
            ) from error
        raise RepositoryError(f"{path} cannot be written: {error.strerror or error}") from error


@dataclass(frozen=True, slots=True)
class Landing:
    """Where a file shall land; what travels lies beside it meanwhile."""

    path: Path
    size: int
    """Bytes at most; so many when it is `exact`."""
    progress: Progress
    algorithm: str = "sha256"
    """Of the checksum that is wanted, as `hashlib` names it."""
    exact: bool = True
    """Whether the card says how long the file is."""


def land(chunks: Iterable[bytes], landing: Landing) -> str:
    """Write `chunks` where they shall land, down to the disk; returns their checksum.

    Raises `OriginError` as soon as there are too many bytes, `RepositoryError` if the disk is full.
    """
    digest, total = hashlib.new(landing.algorithm), 0
    with disk(landing.path), landing.path.open("wb") as file:
        for chunk in chunks:
            total += len(chunk)
            if total > landing.size:
                raise OriginError(f"the file is larger than the {landing.size} bytes that the card names")
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


class _Mark:
    """What is known of a half-transferred file, kept beside it: which file it is, and its length.

    `source` is the URL and range; `validator` is what the server says to tell this version from others.
    """

    def __init__(self, part: Path, source: str) -> None:
        self.path, self._part, self._source = part.with_name(part.name + ".mark"), part, source

    def read(self) -> tuple[int, int, str]:
        """(bytes that are here, bytes that there will be, validator); zeros where nothing can be used."""
        try:
            source, validator, length = self.path.read_text("utf-8").split("\n")
            known = self._part.stat().st_size, int(length), validator
        except (OSError, ValueError):
            return 0, 0, ""
        return known if validator and source == self._source else (0, 0, "")

    def write(self, validator: str, length: int) -> None:
        with disk(self.path):
            self.path.write_text(f"{self._source}\n{validator}\n{length}", "utf-8")


def forget(part: Path) -> None:
    """Remove a transferred file, whole or not."""
    part.unlink(missing_ok=True)
    part.with_name(part.name + ".mark").unlink(missing_ok=True)


def download(
    web: Web, url: str, part: Path, progress: Progress, *, span: tuple[int, int] | None = None, size: int = 0
) -> None:
    """Bring `url`, or its bytes `span` = (first, last), to the file `part`.

    `size` is how many bytes the whole must have; 0: any number.
    What an earlier try or process left in `part` is kept where the server says that the file is the same.
    Raises `RangesRefused` if a span is not to be had, `OriginError` if the file is not.
    """
    for attempt in range(TRIES):
        time.sleep(web.pause * attempt)
        try:
            return _go_on(web, url, part, progress, span=span, size=size)
        except HTTPError as error:
            reason = error
            log.info("%s broke off, try %d of %d: %s", shown(url), attempt + 1, TRIES, error)
    raise OriginError(f"{shown(url)} broke off {TRIES} times: {reason}")


def _go_on(
    web: Web, url: str, part: Path, progress: Progress, *, span: tuple[int, int] | None, size: int
) -> None:
    first, last = span or (0, "")
    mark = _Mark(part, f"{shown(url)} {first}-{last}")
    have, length, validator = mark.read()
    if have and have == length:
        return
    headers = {"Range": f"bytes={first + have}-{last}"} if span or have else {}
    with web.open(url, {**headers, "If-Range": validator} if have else headers) as response:
        if response.status == 200 and not span:
            have, length = 0, int(response.headers.get("Content-Length", size))
        elif have and (response.status in (200, 416) or _validator(response) not in (validator, "")):
            forget(part)
            raise HTTPError("the file has changed meanwhile")
        elif headers:
            total = whole_length(url, response, first + have)
            length = span[1] + 1 - span[0] if span else total
        else:
            raise OriginError(refusal(url, response))
        if size and length != size:
            raise OriginError(f"the file has {length} bytes, the card says {size}")
        mark.write(_validator(response) or validator, length)
        _receive(response, part, have, length, progress)


def _receive(response: BaseHTTPResponse, part: Path, have: int, length: int, progress: Progress) -> None:
    with disk(part), part.open("ab" if have else "wb") as file:
        for chunk in response.stream(CHUNK, decode_content=False):
            have += len(chunk)
            if have > length > 0:
                raise OriginError("the server sends more than it announced")
            file.write(chunk)
            progress(have, length)
    if have < length:
        raise HTTPError(f"{length - have} bytes are missing")


def _validator(response: BaseHTTPResponse) -> str:
    """What `If-Range` takes to tell this version of a file from others; empty: the server gives nothing."""
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else response.headers.get("Last-Modified", "")
