"""Bytes on their way to the disk: bounded, hashed, and going on where an earlier try ended."""

import hashlib
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from errno import EDQUOT, EFBIG, ENOSPC
from itertools import chain
from pathlib import Path
from urllib.parse import urlsplit

from urllib3 import BaseHTTPResponse, HTTPResponse
from urllib3.exceptions import HTTPError

from edged.contracts.errors import OriginError, RepositoryError
from edged.weights.refusals import ELSEWHERE, no_file, refusal, shown
from edged.weights.web import TRIES, Web, packed, whole_length

log = logging.getLogger(__name__)

CHUNK = 1 << 18
"""Bytes that are read, hashed and written at a time."""
HEAD = 1024
"""Bytes that are looked at before anything is kept."""
FLOOR = 1000
"""Bytes a second; what is slower over `FLOOR_S` counts as broken off."""
FLOOR_S = 60.0

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
    web: Web,
    url: str,
    part: Path,
    progress: Progress,
    *,
    span: tuple[int, int] | None = None,
    size: int = 0,
    most: int = 0,
) -> None:
    """Bring `url`, or its bytes `span` = (first, last), to the file `part`.

    `size` is how many bytes the whole must have, `most` how many it may have; 0: any number.
    What an earlier try or process left in `part` is kept where the server says that the file is the same.
    Raises `RangesRefused` if a span is not to be had, `OriginError` if the file is not, `RepositoryError`
    where there is no room for it.
    """
    for attempt in range(TRIES):
        time.sleep(web.pause * attempt)
        try:
            return _Transfer(web, url, part, progress, span, size, size or most).go_on()
        except HTTPError as error:
            reason = error
            log.info("%s broke off, try %d of %d: %s", shown(url), attempt + 1, TRIES, error)
    raise OriginError(
        f"{shown(url)} broke off {TRIES} times: {reason}; pull again, it goes on from there where it can"
    )


@dataclass(frozen=True, slots=True)
class _Transfer:
    """One try to bring the rest of a file."""

    web: Web
    url: str
    part: Path
    progress: Progress
    span: tuple[int, int] | None
    size: int
    most: int

    def go_on(self) -> None:
        """Raises `HTTPError` where another try may help."""
        first, last = self.span or (0, "")
        mark = _Mark(self.part, f"{shown(self.url)} {first}-{last}")
        have, length, validator = mark.read()
        if have and have == length:
            return
        headers = {"Range": f"bytes={first + have}-{last}"} if self.span or have else {}
        with self.web.open(self.url, {**headers, "If-Range": validator} if have else headers) as response:
            if response.status == 200 and not self.span:
                self._whole(response, mark)
                return
            if have:
                self._check_same(response, validator, first + have)
            if not headers:
                raise OriginError(refusal(self.url, response))
            total = whole_length(self.url, response, first + have)
            length = self.span[1] + 1 - self.span[0] if self.span else total
            self._check_length(length)
            mark.write(_validator(response) or validator, length)
            self._receive(_pieces(response, decode=False), have, length)

    def _whole(self, response: BaseHTTPResponse, mark: _Mark) -> None:
        """The whole file, whatever was asked for, unpacked where somebody on the way has packed it.

        An archive that is packed by its name stays so.
        """
        coding = "" if urlsplit(self.url).path.endswith((".gz", ".tgz")) else packed(response)
        if coding and not {one.strip() for one in coding.split(",")} <= set(HTTPResponse.CONTENT_DECODERS):
            raise OriginError(
                f"{shown(self.url)} is packed on the way as {coding!r}, which nobody asked for: find the "
                f"proxy that does so, or {ELSEWHERE}"
            )
        length = self.size if coding else response.length_remaining or self.size
        pieces = _pieces(response, decode=bool(coding))
        head = next(pieces, b"")
        while len(head) < HEAD and (more := next(pieces, b"")):
            head += more
        if said := no_file(self.url, response, head):
            raise OriginError(said)
        self._check_length(length)
        mark.write("" if coding else _validator(response), length)
        self._receive(chain([head] if head else [], pieces), 0, length)

    def _check_same(self, response: BaseHTTPResponse, validator: str, first: int) -> None:
        """Begin anew where the rest of what is here is not to be had."""
        changed = response.status in (200, 416)
        if response.status == 206:
            try:
                whole_length(self.url, response, first)
            except OriginError:  # another range, or a packed one
                changed = True
            changed |= _validator(response) not in (validator, "")
        if changed:
            forget(self.part)
            raise HTTPError("the file has changed meanwhile")

    def _check_length(self, length: int) -> None:
        if self.size and length != self.size:
            raise OriginError(f"the file has {length} bytes, the card says {self.size}")
        if self.most and length > self.most:
            raise OriginError(f"the file has {length} bytes, larger than the {self.most} that are taken")

    def _receive(self, pieces: Iterable[bytes], have: int, length: int) -> None:
        most = length or self.most
        with disk(self.part):
            _check_room(self.part, length - have)
            with self.part.open("ab" if have else "wb") as file:
                for piece in pieces:
                    have += len(piece)
                    if have > most > 0:
                        forget(self.part)
                        raise OriginError(
                            f"the file is larger than the {most} bytes of the server or the card"
                        )
                    file.write(piece)
                    self.progress(have, length)
        if have < length:
            raise HTTPError(f"{length - have} bytes are missing")


def _pieces(response: BaseHTTPResponse, *, decode: bool) -> Iterator[bytes]:
    """The body as it comes. Raises `HTTPError` where it comes too slowly: a drip would keep us for ever."""
    began, count = time.monotonic(), 0
    while piece := response.read1(CHUNK, decode_content=decode):
        yield piece
        count += len(piece)
        if (took := time.monotonic() - began) > FLOOR_S:
            if count < FLOOR * took:
                raise HTTPError(f"{count / took:.0f} bytes a second are too slow")
            began, count = time.monotonic(), 0


def _check_room(part: Path, wanted: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if wanted > free:
        raise RepositoryError(
            f"the disk is full, {part} wants {wanted / 1e6:.0f} MB more and {free / 1e6:.0f} MB are free: "
            "free some space and pull again"
        )


def _validator(response: BaseHTTPResponse) -> str:
    """What `If-Range` takes to tell this version of a file from others; empty: the server gives nothing."""
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else response.headers.get("Last-Modified", "")
