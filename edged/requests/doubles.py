"""Tells a message that the broker sends a second time from a request that looks the same."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b


def identity(payload: bytes, *parts: bytes) -> bytes:
    """16 bytes, equal for doubles; `parts` is what a world tells requests with equal payloads apart by."""
    digest = blake2b(digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(4, "big"))
        digest.update(part)
    digest.update(payload)
    return digest.digest()


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a message came in."""

    connection: object
    """By which connection of ours; compared by identity."""
    packet: int
    """The number that the broker knows it by until it has our acknowledgement; 0: it is never sent again."""
    again: bool = False
    """The broker says that it sends it again (DUP: after a cut connection or a kill)."""


class Doubles:
    """Safe from all threads. Bounded: there are 65,535 numbers of packets.

    Two things make a double: the broker sends a message again whose acknowledgement may not have arrived, or
    a client names a request as it named one that is still in flight. Everything else is asked anew, and gets
    an answer, whatever was answered before: silence would let the client wait for ever.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_flight: set[bytes] = set()
        self._open: dict[int, tuple[bytes, Delivery | None]] = {}
        """By packet: the last message with this number that we took, and how it came; none: it was another
        process's, or it came more than once."""
        self._unnumbered: set[bytes] = set()
        """Messages of 0.1.0, which wrote no numbers down."""

    def load(self, known: Iterable[tuple[bytes, int | None]]) -> None:
        """What was taken before this process began, oldest first: identity and packet."""
        before: dict[int, tuple[bytes, Delivery | None]] = {}
        with self._lock:
            for name, packet in known:
                if packet is None:
                    self._unnumbered.add(name)
                elif packet:
                    before[packet] = name, None
            self._open = before | self._open

    def resume(self, name: bytes) -> None:
        """A request of the last run is in flight."""
        with self._lock:
            self._in_flight.add(name)

    def enter(self, name: bytes, named: bool, came: Delivery) -> bool:
        """Note a request that came in. False: it is a double, and is not to be run.

        `named`: it has correlation data or a `request_id`. Equal requests without are requests of their own.
        """
        with self._lock:
            ours, _ = self._open.get(came.packet, (None, None))
            again = came.again and (name == ours or name in self._unnumbered)
            self._unnumbered.discard(name)  # the broker sends again first, then what is new
            if came.packet:
                self._open[came.packet] = name, None if again else came
            if again or (named and name in self._in_flight):
                return False
            self._in_flight.add(name)
            return True

    def answered(self, name: bytes) -> None:
        """The answer of a request is on its way."""
        with self._lock:
            self._in_flight.discard(name)

    def acknowledged(self, came: Delivery, connection: object) -> bool:
        """Something that we sent by this connection after the acknowledgement of a message has arrived.

        So has the acknowledgement, if it went the same way. True: the broker never sends the message again.
        """
        with self._lock:
            _, ours = self._open.get(came.packet, (None, None))
            if ours is not came or came.connection is not connection:  # it came again; or its number did
                return False
            del self._open[came.packet]
            return True

    def forget_packets(self) -> None:
        """The broker has begun a new session: it sends nothing again, and counts its packets anew."""
        with self._lock:
            self._open.clear()
            self._unnumbered.clear()
