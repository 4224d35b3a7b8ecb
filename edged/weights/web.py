"""HTTP as the user's pip does it: same proxies, certificates and logins, bounded tries, byte ranges."""

import io
import re
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

from urllib3 import BaseHTTPResponse, PoolManager, ProxyManager, Retry, Timeout, make_headers
from urllib3.exceptions import HTTPError, MaxRetryError

from edged.contracts.errors import OriginError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

TRIES = 5
"""How often a request, and a transfer that broke off, is tried."""
BLOCK = 1 << 16
"""Bytes that a `RangedFile` asks for at a time: one holds the directory of most wheels."""


class RangesRefused(OriginError):
    """The server sends files only as a whole."""


def shown(url: str) -> str:
    """The URL as it may stand in a log: without user, password, query and fragment."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


class Web:
    """Opens URLs. `cert` is a file or folder of certificates, `proxy` a URL; else the system's count."""

    def __init__(
        self, cert: str | None = None, proxy: str | None = None, timeout: float = 30, pause: float = 0.5
    ) -> None:
        self.pause = pause
        """Seconds after the first failure; each further pause is longer."""
        self._proxies = {"http": proxy, "https": proxy} if proxy else getproxies()
        self._context = _context(cert)
        self._timeout = Timeout(connect=min(timeout, 15), read=timeout)
        self._retries = Retry(
            TRIES - 1,
            backoff_factor=pause,
            status_forcelist=(429, 500, 502, 503, 504),
            raise_on_status=False,
            respect_retry_after_header=False,  # may be hours
        )
        self._pools: dict[str | None, PoolManager] = {}

    @contextmanager
    def open(self, url: str, headers: Mapping[str, str] | None = None) -> Iterator[BaseHTTPResponse]:
        """GET `url`, through redirects: a response of any status, its body not read yet."""
        parts = urlsplit(url)
        user, _, host = parts.netloc.rpartition("@")
        login = make_headers(basic_auth=unquote(user)) if user else {}
        try:
            response = self._pool(parts.scheme, parts.hostname or "").request(
                "GET",
                urlunsplit((parts.scheme, host, parts.path, parts.query, "")),
                headers={"Accept-Encoding": "identity", **login, **(headers or {})},
                preload_content=False,
                timeout=self._timeout,
                retries=self._retries,
            )
        except MaxRetryError as error:
            raise OriginError(f"{shown(url)} cannot be reached: {error.reason}") from error
        except HTTPError as error:
            raise OriginError(f"{shown(url)} cannot be read: {error}") from error
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
            for step in response.retries.history if response.retries else ():
                url = urljoin(url, step.redirect_location or "")
            return body, response.headers.get("Content-Type", ""), url

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

    def _pool(self, scheme: str, host: str) -> PoolManager:
        proxy = self._proxies.get(scheme) or self._proxies.get("all")
        if proxy and proxy_bypass(host):
            proxy = None
        if proxy not in self._pools:
            self._pools[proxy] = self._proxied(proxy) if proxy else PoolManager(ssl_context=self._context)
        return self._pools[proxy]

    def _proxied(self, proxy: str) -> ProxyManager:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        user, _, host = parts.netloc.rpartition("@")
        login = make_headers(proxy_basic_auth=unquote(user)) if user else {}
        return ProxyManager(f"{parts.scheme}://{host}", proxy_headers=login, ssl_context=self._context)


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


def refusal(url: str, response: BaseHTTPResponse) -> str:
    """What the server answered instead of the file."""
    return f"{shown(url)} answers {response.status} {response.reason or ''}".rstrip()


def whole_length(url: str, response: BaseHTTPResponse, first: int) -> int:
    """Length of the file of which `response` brings a range that begins at `first`.

    Raises `RangesRefused` if it brings the whole, `OriginError` if it brings something else.
    """
    if response.status == 200:
        raise RangesRefused(f"{shown(url)} is sent only as a whole")
    if response.status != 206:
        raise OriginError(refusal(url, response))
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
    if found is None or int(found[1]) != first:
        raise OriginError(f"{shown(url)} sent another range than the one asked for")
    return int(found[2])


def _context(cert: str | None) -> ssl.SSLContext:
    if not cert:
        return ssl.create_default_context()
    folder = Path(cert).is_dir()
    try:
        return ssl.create_default_context(cafile=None if folder else cert, capath=cert if folder else None)
    except OSError as error:
        raise OriginError(f"cannot read the certificates in {cert}: {error}") from error
