"""The table of requests in flight and lately answered: tells a double from a request that looks the same."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from enum import Enum
from hashlib import blake2b

from edged.contracts.errors import QueueFull
from edged.mqtt.journal import KEPT_ROWS, KEPT_S

RESENT_S = 10.0
"""Within so many seconds after the answer, a client library that lost its connection sends again."""


class Naming(Enum):
    """How a client names its request, and so what a second one of the same name means."""

    CORRELATED = "correlation data"
    """MQTT 5: unique per request, so a second one is a double as long as we remember the first."""
    NUMBERED = "request_id"
    """In the JSON, often typed by hand: a double while in flight and for `RESENT_S`; later, a new request."""
    ANONYMOUS = "nothing"
    """Equal ones are requests of their own, unless the broker itself says that it sends again."""


def identity(
    service: str, response_topic: str, correlation: bytes, payload: bytes, packet_id: int | None
) -> bytes:
    """16 bytes, equal for doubles. `packet_id` is given for anonymous requests: the broker keeps it."""
    digest = blake2b(digest_size=16)
    for part in (service.encode(), response_topic.encode(), correlation, str(packet_id).encode()):
        digest.update(len(part).to_bytes(4, "big"))
        digest.update(part)
    digest.update(payload)
    return digest.digest()


class Doubles:
    """Safe from all threads. Bounded by `KEPT_ROWS` and `KEPT_S`, as the journal is.

    An answer that invites to try again (429 and above) makes no double of a second try.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._in_flight: set[bytes] = set()
        self._answered: OrderedDict[bytes, tuple[float, int]] = OrderedDict()

    def load(self, answered: Iterable[tuple[bytes, float, int]]) -> None:
        """What the journal remembers, oldest first: identity, `time.time()` of the answer, its code."""
        with self._lock:
            self._answered.update((name, (at, code)) for name, at, code in answered)

    def enter(self, name: bytes, naming: Naming, redelivered: bool) -> bool:
        """Note a request that came in. False: it is a double, and is not to be run."""
        with self._lock:
            if self._is_double(name, naming, redelivered):
                return False
            self._in_flight.add(name)
            return True

    def answered(self, name: bytes, code: int) -> None:
        """The answer of a request is on its way."""
        with self._lock:
            self._in_flight.discard(name)
            now = self._clock()
            self._answered[name] = (now, code)
            self._answered.move_to_end(name)
            while len(self._answered) > KEPT_ROWS or now - next(iter(self._answered.values()))[0] > KEPT_S:
                self._answered.popitem(last=False)

    def _is_double(self, name: bytes, naming: Naming, redelivered: bool) -> bool:
        if naming is Naming.ANONYMOUS and not redelivered:
            return False
        if name in self._in_flight:
            return True
        if name not in self._answered:
            return False
        at, code = self._answered[name]
        if code >= QueueFull.code and not redelivered:
            return False
        kept_s = RESENT_S if naming is Naming.NUMBERED and not redelivered else KEPT_S
        return self._clock() - at <= kept_s
