"""Who is connected to gRPC, and who gives way, as over HTTP; gRPC itself lets nobody choose.

Its connections are found among the open files of this process, and ended there: to gRPC it is as if the
client had left. Who they are is known from the calls: each says where it comes from.
"""

import ipaddress
import os
import socket
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from edged.flow.room import giving_way, holder, too_many

MOST_CONNECTIONS = 128
"""Beyond them strangers and idle ones give way; of twice as many gRPC closes one more at once."""

Place = tuple[str, int]
"""Address and port of a client."""


@dataclass(eq=False)
class GrpcGuest:
    """A connection; see `room.Guest`."""

    place: Place
    since: float
    known: bool = False
    calls: int = 0
    """In work, of those that were let in."""

    @property
    def address(self) -> str:
        """Whose it is."""
        return holder(self.place[0])

    @property
    def spare(self) -> bool:
        """Whether no call is in work."""
        return not self.calls


class Guests:
    """Of one server. Lives in the loop's thread."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._there: dict[Place, GrpcGuest] = {}

    @contextmanager
    def at_work(self, peer: str) -> Iterator[None]:
        """For the length of a call that was let in; `peer` as gRPC writes it."""
        place = _place_of(peer)
        guest = self._there.setdefault(place, GrpcGuest(place, self._now()))
        guest.known = True
        guest.calls += 1
        try:
            yield
        finally:
            guest.calls -= 1
            guest.since = self._now()

    def sweep(self, port: int) -> None:
        """See who is there, and end the connections that give way."""
        files = connected(port)
        self._there = {place: self._there.get(place) or GrpcGuest(place, self._now()) for place in files}
        for guest in self._surplus():
            del self._there[guest.place]
            end(files[guest.place], guest.place)

    def _surplus(self) -> list[GrpcGuest]:
        gone = too_many(self._there.values(), self._now())
        left = [guest for guest in self._there.values() if guest not in gone]
        while len(left) > MOST_CONNECTIONS and (guest := giving_way(left)) is not None:
            left.remove(guest)
            gone.append(guest)
        return gone


def connected(port: int) -> Mapping[Place, int]:
    """Who is connected to this process at that port of its own, and the number of the open file."""
    found: dict[Place, int] = {}
    for number in (int(path.name) for path in Path("/proc/self/fd").iterdir()):
        with suppress(OSError):  # it is closed, or nobody is at its other end
            if (place := _at(number, port)) is not None:
                found[place] = number
    return found


def end(number: int, place: Place) -> None:
    """End a connection, if that open file is still the one."""
    with suppress(OSError), _lent(number) as sock:
        if _place(*sock.getpeername()[:2]) == place:
            sock.shutdown(socket.SHUT_RDWR)


def _at(number: int, port: int) -> Place | None:
    if not stat.S_ISSOCK(os.fstat(number).st_mode):
        return None
    with _lent(number) as sock:
        if sock.family not in (socket.AF_INET, socket.AF_INET6) or sock.getsockname()[1] != port:
            return None
        return _place(*sock.getpeername()[:2])


@contextmanager
def _lent(number: int) -> Iterator[socket.socket]:
    """Not a duplicate: gRPC relies on it that what it closes is closed."""
    sock = socket.socket(fileno=number)
    try:
        yield sock
    finally:
        sock.detach()


def _place_of(peer: str) -> Place:
    """Of `ipv4:192.0.2.7:5000` or `ipv6:%5B::1%5D:5000`."""
    host, _, port = unquote(peer).partition(":")[2].rpartition(":")
    return _place(host.strip("[]"), int(port))


def _place(host: str, port: int) -> Place:
    address = ipaddress.ip_address(host.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address), port
