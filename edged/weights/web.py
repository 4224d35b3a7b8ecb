"""HTTP as the user's pip does it: same proxies, certificates and logins, bounded tries, byte ranges."""

import io
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit, urlunsplit

from urllib3 import BaseHTTPResponse, Timeout
from urllib3.exceptions import HTTPError

from edged.contracts.errors import OriginError
from edged.weights.logins import login
from edged.weights.pools import Pools
from edged.weights.refusals import asked_to_wait, final, refusal, shown, unreachable

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

TRIES = 5
"""How often a request, and a transfer that broke off, is tried."""
HOPS = 10
"""How often a request is sent on to another place."""
PATIENCE_S = 60
"""Seconds that a busy server is waited for where it asks for it; it may ask for hours."""
BUSY = (429, 500, 502, 503, 504)
"""Statuses after which another try may help."""
BLOCK = 1 << 16
"""Bytes that a `RangedFile` asks for at a time: one holds the directory of most wheels."""


class RangesRefused(OriginError):
    """The server sends files only as a whole."""


class Web:
    """Opens URLs. `cert` is a file or folder of certificates, `proxy` a URL; else the system's count."""

    def __init__(
        self, cert: str | None = None, proxy: str | None = None, timeout: float = 30, pause: float = 0.5
    ) -> None:
        self.pause = pause
        """Seconds after the first failure; each further pause is longer."""
        self._timeout = Timeout(connect=min(timeout, 15), read=timeout)
        self._pools = Pools(cert, proxy)

    @contextmanager
    def open(self, url: str, headers: Mapping[str, str] | None = None) -> Iterator[BaseHTTPResponse]:
        """GET `url`, through redirects: a response of any status, its body not read yet.

        Its `url` is where it was found at last. Each host gets its own login alone (`login`).
        """
        response = self._found(url, headers or {})
        try:
            yield response
        finally:
            if response.length_remaining == 0:
                response.release_conn()
            else:  # the rest may be a whole archive that nobody wants
                response.close()

    def document(self, url: str, limit: int, headers: Mapping[str, str]) -> tuple[bytes, str, str]:
        """A small document: its bytes, its media type and where it was after redirects."""
        with self.open(url, headers) as response:
            if response.status != 200:
                raise OriginError(refusal(url, response))
            try:
                body = response.read(limit + 1)
            except HTTPError as error:
                raise OriginError(f"{shown(url)} broke off: {error}") from error
            if len(body) > limit:
                raise OriginError(f"{shown(url)} is longer than {limit} bytes")
            return body, response.headers.get("Content-Type", ""), response.url or url

    def span(self, url: str, first: int, last: int) -> tuple[bytes, int]:
        """The bytes `first` to `last` (less where the file ends) and the length of the whole file.

        Raises `RangesRefused` where the server does not do that.
        """
        for attempt in range(TRIES):
            time.sleep(self.pause * attempt)
            try:
                with self.open(url, {"Range": f"bytes={first}-{last}"}) as response:
                    total = whole_length(url, response, first)
                    body = response.read(last - first + 2)
            except HTTPError as error:
                reason = error
                continue
            if len(body) != min(last + 1, total) - first:
                raise OriginError(f"{shown(url)} sent another range than the one asked for")
            return body, total
        raise OriginError(f"{shown(url)} broke off {TRIES} times: {reason}")

    def _found(self, url: str, headers: Mapping[str, str]) -> BaseHTTPResponse:
        """The answer of the last host that the URL leads to."""
        at = url
        for _ in range(HOPS):
            response = self._answer(at, headers)
            place = response.get_redirect_location()
            if not place:
                response.url = at
                return response
            _leave(response)
            at = _sent_on(at, place)
        raise OriginError(f"{shown(url)} was sent on {HOPS} times without an end")

    def _answer(self, url: str, headers: Mapping[str, str]) -> BaseHTTPResponse:
        """What the host says, asked again while it is busy or cannot be reached."""
        host = urlsplit(url).netloc.rpartition("@")[2]
        plain = urlunsplit(urlsplit(url)._replace(netloc=host, fragment=""))
        sent = {"Accept-Encoding": "identity", **login(url), **headers}
        for left in reversed(range(TRIES)):
            pause = self.pause * 2 ** (TRIES - 1 - left)
            try:
                response = self._pools.of(url).request(
                    "GET",
                    plain,
                    headers=sent,
                    preload_content=False,
                    timeout=self._timeout,
                    retries=False,
                    redirect=False,
                )
            except HTTPError as error:
                if not left or final(error):
                    raise OriginError(unreachable(url, error)) from error
            else:
                wait = asked_to_wait(response)
                if response.status not in BUSY or not left or (wait or 0) > PATIENCE_S:
                    return response
                _leave(response)
                pause = pause if wait is None else wait
            time.sleep(pause)
        raise AssertionError("the last try returns or raises")


class RangedFile(io.RawIOBase):
    """A file on a server that is read where it is; what was read is kept, in blocks of `BLOCK` bytes."""

    def __init__(self, web: Web, url: str) -> None:
        self._web, self._url, self._at = web, url, 0
        _, self.length = web.span(url, 0, 0)
        self._blocks: dict[int, bytes] = {}

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.length}[whence]
        if origin + offset < 0:
            raise OSError("seek before the beginning")  # what zipfile expects of a file that is too short
        self._at = origin + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: "WriteableBuffer") -> int:
        if self._at >= self.length:
            return 0
        view = memoryview(buffer).cast("B")
        index, skip = divmod(self._at, BLOCK)
        if index not in self._blocks:
            self._blocks[index], _ = self._web.span(self._url, index * BLOCK, index * BLOCK + BLOCK - 1)
        piece = self._blocks[index][skip : skip + len(view)]
        view[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)


def _leave(response: BaseHTTPResponse) -> None:
    """Have the connection ready for the next request where the body is a note, not a file."""
    left = response.length_remaining
    if left is not None and left <= BLOCK:
        response.drain_conn()
        response.release_conn()
    else:
        response.close()


def _sent_on(url: str, place: str) -> str:
    """Where a redirect leads. Raises `OriginError` where it leaves TLS: a network's login page, or worse."""
    there = urljoin(url, place)
    old, new = urlsplit(url), urlsplit(there)
    if new.scheme != "https" and (new.scheme != "http" or old.scheme == "https"):
        raise OriginError(
            f"{shown(url)} sends on to {shown(there)}, which is not encrypted: perhaps the login page of "
            "this network; log in there, then pull again"
        )
    own, _, host = old.netloc.rpartition("@")
    same = (new.scheme, new.netloc) == (old.scheme, host)
    return urlunsplit(new._replace(netloc=f"{own}@{host}")) if own and same else there


def whole_length(url: str, response: BaseHTTPResponse, first: int) -> int:
    """Length of the file of which `response` brings a range that begins at `first`.

    Raises `RangesRefused` if it brings the whole, `OriginError` if it brings something else.
    """
    if response.status == 200:
        raise RangesRefused(f"{shown(url)} is sent only as a whole")
    if response.status != 206:
        raise OriginError(refusal(url, response))
    if packed(response):
        raise RangesRefused(f"{shown(url)} is packed on the way, so that its ranges cannot be used")
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
    if found is None or int(found[1]) != first:
        raise OriginError(f"{shown(url)} sent another range than the one asked for")
    return int(found[2])


def packed(response: BaseHTTPResponse) -> str:
    """How somebody has packed the body, though it was asked for as it is; empty: not at all."""
    coding = response.headers.get("Content-Encoding", "").strip().lower()
    return "" if coding == "identity" else coding
