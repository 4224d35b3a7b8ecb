"""HTTP for strangers' URLs: the address that was checked is the one that is connected to.

The standard library's client on a socket of our own (`dial`); redirects are ours to check.
"""

import base64
import http.client
import socket
import ssl
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import quote, urljoin

from edged import __version__
from edged.contracts.errors import BadRequest, ConfigError, NotAllowed, NotFound, NotMedia
from edged.media.dial import Address, Until, dialled, looked_up, tls_context
from edged.media.policy import ASCII, Destination, FetchSettings, check_address, destination

CHUNK = 1 << 16
"""Bytes that are read at a time."""
_REDIRECTS = (301, 302, 303, 307, 308)


def download(url: str, settings: FetchSettings, until: Until) -> Generator[bytes]:
    """The body of an `http` or `https` URL in pieces, through redirects.

    Raises `BadRequest`, `NotAllowed`, `NotFound`, `NotMedia` or `TimedOut`.
    """
    came_from = ""
    for _ in range(settings.max_redirects + 1):
        asked, addresses = _checked(url, settings, until, came_from)
        with (
            _failures_of(asked.host, until),
            dialled(asked, addresses, until, lambda: _tls(settings.ca)) as sock,
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
) -> tuple[Destination, list[Address]]:
    """Where to ask, and the socket addresses of that host, all of them allowed."""
    try:
        asked = destination(url, settings)
        found = looked_up(asked, until)
        for _, address in found:
            check_address(asked.host, address[0], settings)
    except (BadRequest, NotAllowed, NotFound) as error:
        if not came_from:
            raise
        raise type(error)(f"{came_from} redirects: {error}") from error
    return asked, found


@cache
def _tls(ca: Path | None) -> ssl.SSLContext:
    try:
        return tls_context(ca)
    except OSError as error:
        raise ConfigError(f"requests.fetch.ca: {ca}: {error.strerror or error}") from error


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
