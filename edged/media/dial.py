"""Connections to hosts of URLs, within a time that is one for the whole: look-up, TLS, each read.

The name is looked up once, TLS still proves it, and no proxy of the environment is asked. Every read has only
the time that is left, so a server that drips cannot hold a thread.
"""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from edged.contracts.errors import NotFound, TimedOut
from edged.media.policy import Destination

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Address = tuple[int, Any]
"""Family, and what `connect` takes."""

LOOKUPS = 16
"""Names looked up at a time. A resolver cannot be told to hurry: its thread is left behind, but counted."""

_FIRST_TRY_S = 4.0
"""Seconds for each address of a host but the last, which gets all that is left."""
_lookups = threading.BoundedSemaphore(LOOKUPS)


@dataclass(frozen=True, slots=True)
class Until:
    """The end of a conversation."""

    at: float
    """`time.monotonic()`."""
    rule: str
    """Which setting or field set it."""
    what: str = "the media did not come"
    """What is too late then."""

    def left(self) -> float:
        """Seconds to go, more than 0. Raises `TimedOut`."""
        if (seconds := self.at - time.monotonic()) <= 0:
            raise self.passed()
        return seconds

    def passed(self) -> TimedOut:
        """The error to raise."""
        return TimedOut(f"{self.what} in time; {self.rule} sets how long that may take")


def looked_up(asked: Destination, until: Until) -> list[Address]:
    """All addresses that the host has. Raises `NotFound`, `TimedOut`."""
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


def tls_context(ca: Path | None) -> ssl.SSLContext:
    """What `dialled` needs for `https`; `ca`: PEM file of certificates to trust beside the system's.

    Raises `OSError` when it cannot be used.
    """
    context = ssl.create_default_context()
    context.sslsocket_class = _TlsSocket
    if ca is not None:
        context.load_verify_locations(ca)
    return context


@contextmanager
def dialled(
    asked: Destination, addresses: list[Address], until: Until, context: Callable[[], ssl.SSLContext]
) -> Iterator[socket.socket]:
    """A connection to the first of the addresses that takes one; `context` as of `tls_context`.

    Raises `OSError`, and `TimedOut` where a read is too late.
    """
    with _connection(addresses, until) as plain:
        if asked.scheme == "http":
            yield plain
            return
        plain.settimeout(until.left())
        with context().wrap_socket(plain, server_hostname=asked.host) as sock:
            sock.until = until  # type: ignore[attr-defined]
            yield sock


def _connection(addresses: list[Address], until: Until) -> _Socket:
    *others, last = addresses
    for address in others:
        with suppress(OSError):
            return _connect(address, until, min(_FIRST_TRY_S, until.left()))
    return _connect(last, until, until.left())


def _connect(address: Address, until: Until, seconds: float) -> _Socket:
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
