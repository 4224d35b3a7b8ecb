"""The table of requests in flight and lately answered: tells a double from a request that looks the same."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from hashlib import blake2b

from edged.flow import clock
from edged.requests.ledger import KEPT_ROWS, KEPT_S


def identity(payload: bytes, *parts: bytes) -> bytes:
    """16 bytes, equal for doubles; `parts` is what a world tells requests with equal payloads apart by."""
    digest = blake2b(digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(4, "big"))
        digest.update(part)
    digest.update(payload)
    return digest.digest()


class Doubles:
    """Safe from all threads. Bounded by `KEPT_ROWS` and `KEPT_S`, as the journal is.

    Two things make a double: the broker says that it sends again (DUP: after a cut connection or a kill), or
    a client names a request as it named one that is still in flight. Once that one is answered, the same name
    means that the client asks again, and it gets an answer: silence would let it wait for ever.
    """

    def __init__(self, now: Callable[[], float] = clock.ticks) -> None:
        self._clock = now
        self._lock = threading.Lock()
        self._in_flight: set[bytes] = set()
        self._answered: OrderedDict[bytes, float] = OrderedDict()

    def load(self, answered: Iterable[tuple[bytes, float]]) -> None:
        """What the journal remembers, oldest first: identity, `clock.ticks()` of the answer."""
        with self._lock:
            self._answered.update(answered)

    def enter(self, name: bytes, named: bool, redelivered: bool) -> bool:
        """Note a request that came in. False: it is a double, and is not to be run.

        `named`: it has correlation data or a `request_id`. Equal requests without are requests of their own.
        """
        with self._lock:
            in_flight = name in self._in_flight and (named or redelivered)
            if in_flight or (redelivered and self._clock() - self._answered.get(name, -KEPT_S) <= KEPT_S):
                return False
            self._in_flight.add(name)
            return True

    def answered(self, name: bytes) -> None:
        """The answer of a request is on its way."""
        with self._lock:
            self._in_flight.discard(name)
            now = self._clock()
            self._answered[name] = now
            self._answered.move_to_end(name)
            while len(self._answered) > KEPT_ROWS or now - next(iter(self._answered.values())) > KEPT_S:
                self._answered.popitem(last=False)
