"""HTTP for strangers' URLs: the address that was checked is the one that is connected to.

The standard library's client on a socket of our own: the name is looked up once, TLS still proves the name,
no proxy of the environment is asked, and redirects are ours to check. Every read has only the time that is
left to the whole, so a server that drips cannot hold a thread.
"""

import base64
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin

from edged import __version__
from edged.contracts.errors import BadRequest, ConfigError, NotAllowed, NotFound, NotMedia, TimedOut
from edged.media.policy import ASCII, Destination, FetchSettings, check_address, destination

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_Address = tuple[int, Any]
"""Family, and what `connect` takes."""

CHUNK = 1 << 16
"""Bytes that are read at a time."""
LOOKUPS = 16
"""Names looked up at a time. A resolver cannot be told to hurry: its thread is left behind, but counted."""

_REDIRECTS = (301, 302, 303, 307, 308)
_FIRST_TRY_S = 4.0
"""Seconds for each address of a host but the last, which gets all that is left."""
_lookups = threading.BoundedSemaphore(LOOKUPS)


@dataclass(frozen=True, slots=True)
class Until:
    """The end of a fetch."""

    at: float
    """`time.monotonic()`."""
    rule: str
    """Which setting or field set it."""

    def left(self) -> float:
        """Seconds to go, more than 0. Raises `TimedOut`."""
        if (seconds := self.at - time.monotonic()) <= 0:
            raise self.passed()
        return seconds

    def passed(self) -> TimedOut:
        """The error to raise."""
        return TimedOut(f"the media did not come in time; {self.rule} sets how long that may take")


def download(url: str, settings: FetchSettings, until: Until) -> Generator[bytes]:
    """The body of an `http` or `https` URL in pieces, through redirects.

    Raises `BadRequest`, `NotAllowed`, `NotFound`, `NotMedia` or `TimedOut`.
    """
    came_from = ""
    for _ in range(settings.max_redirects + 1):
        asked, addresses = _checked(url, settings, until, came_from)
        with (
            _failures_of(asked.host, until),
            _connected(asked, addresses, settings, until) as sock,
            _get(asked, sock) as response,
        ):
            location = response.getheader("Location")
            if response.status not in _REDIRECTS or not location:
                yield from _body(asked.host, response, until)
                return
        came_from, url = asked.host, _joined(url, location)
    raise NotAllowed(f"it redirects more often than `requests.fetch.max_redirects`, {settings.max_redirects}")


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, quote(location, safe=ASCII, encoding="latin-1"))
    except ValueError as error:
        raise BadRequest("it redirects to what is no URL") from error


@contextmanager
def _failures_of(host: str, until: Until) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise until.passed() from error
    except ssl.SSLCertVerificationError as error:
        raise NotFound(
            f"the certificate of {host} is not trusted ({error.verify_message}); `requests.fetch.ca` "
            "names more to trust"
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise NotFound(f"{host} cannot be read: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return "TLS with it fails"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return "what it sends is no complete HTTP answer"


def _checked(
    url: str, settings: FetchSettings, until: Until, came_from: str
) -> tuple[Destination, list[_Address]]:
    """Where to ask, and the socket addresses of that host, all of them allowed."""
    try:
        asked = destination(url, settings)
        found = _looked_up(asked, until)
        for _, address in found:
            check_address(asked.host, address[0], settings)
    except (BadRequest, NotAllowed, NotFound) as error:
        if not came_from:
            raise
        raise type(error)(f"{came_from} redirects: {error}") from error
    return asked, found


def _looked_up(asked: Destination, until: Until) -> list[_Address]:
    """All addresses that the host has."""
    answers: SimpleQueue[Any] = SimpleQueue()

    def look_up() -> None:
        try:
            answers.put(socket.getaddrinfo(asked.host.encode(), asked.port, type=socket.SOCK_STREAM))
        except OSError as error:
            answers.put(error)
        finally:
            _lookups.release()

    if not _lookups.acquire(timeout=until.left()):
        raise until.passed()
    threading.Thread(target=look_up, name="look-up", daemon=True).start()
    try:
        found = answers.get(timeout=until.left())
    except Empty:
        raise until.passed() from None
    if isinstance(found, OSError):
        raise NotFound(f"the host {asked.host} is not known") from found
    return list(dict.fromkeys((family, address) for family, *_, address in found))


class _Socket(socket.socket):
    """Gives each read only the time that is left."""

    until: Until

    def recv_into(self, buffer: "WriteableBuffer", nbytes: int = 0, flags: int = 0) -> int:
        self.settimeout(self.until.left())
        return super().recv_into(buffer, nbytes, flags)


class _TlsSocket(ssl.SSLSocket):
    """The same over TLS; the handshake has one timeout for the whole of it."""

    until: Until

    def recv_into(self, buffer: "WriteableBuffer", nbytes: int | None = None, flags: int = 0) -> int:
        self.settimeout(self.until.left())
        return super().recv_into(buffer, nbytes, flags)


@cache
def _tls(ca: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.sslsocket_class = _TlsSocket
    if ca is not None:
        try:
            context.load_verify_locations(ca)
        except OSError as error:
            raise ConfigError(f"requests.fetch.ca: {ca}: {error.strerror or error}") from error
    return context


@contextmanager
def _connected(
    asked: Destination, addresses: list[_Address], settings: FetchSettings, until: Until
) -> Iterator[socket.socket]:
    """A connection to the first of the addresses that takes one."""
    with _connection(addresses, until) as plain:
        if asked.scheme == "http":
            yield plain
            return
        plain.settimeout(until.left())
        with _tls(settings.ca).wrap_socket(plain, server_hostname=asked.host) as sock:
            sock.until = until  # type: ignore[attr-defined]
            yield sock


def _connection(addresses: list[_Address], until: Until) -> _Socket:
    *others, last = addresses
    for address in others:
        with suppress(OSError):
            return _connect(address, until, min(_FIRST_TRY_S, until.left()))
    return _connect(last, until, until.left())


def _connect(address: _Address, until: Until, seconds: float) -> _Socket:
    family, place = address
    sock = _Socket(family, socket.SOCK_STREAM)
    sock.until = until
    try:
        sock.settimeout(seconds)
        sock.connect(place)
    except OSError:
        sock.close()
        raise
    return sock


def _get(asked: Destination, sock: socket.socket) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(asked.host, asked.port)
    connection.sock = sock
    connection.putrequest("GET", asked.path, skip_host=True, skip_accept_encoding=True)
    connection.putheader("Host", asked.authority)
    connection.putheader("User-Agent", f"edged/{__version__}")
    connection.putheader("Accept-Encoding", "identity")
    connection.putheader("Connection", "close")
    if asked.login is not None:
        login = base64.b64encode(asked.login.encode()).decode()
        connection.putheader("Authorization", f"Basic {login}")
    connection.endheaders()
    return connection.getresponse()


def _body(host: str, response: http.client.HTTPResponse, until: Until) -> Iterator[bytes]:
    if response.status != http.HTTPStatus.OK:
        raise NotFound(f"{host} answers {response.status} instead of the media")
    if response.getheader("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise NotMedia(f"{host} sends the media compressed once more, though it was not asked to")
    while chunk := response.read1(CHUNK):  # `read` takes a chunk of size -1 for all that comes
        yield chunk
        until.left()
    if response.length:
        raise NotFound(f"{host} closed the connection {response.length} bytes too soon")
