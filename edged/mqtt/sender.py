"""The thread that sends what the outbox holds, so many messages on their way at most."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from edged.flow.counters import Counters
from edged.mqtt.address import WORLD, Address
from edged.mqtt.carrier import Carrier
from edged.mqtt.outbox import Outbox
from edged.mqtt.outgoing import Outgoing
from edged.requests.journal import Journal

log = logging.getLogger(__name__)

_TEND_EVERY_S = 10.0


class _Flight:
    """What one connection was given, and the broker has not acknowledged."""

    def __init__(self, carrier: Carrier, window: int) -> None:
        self.carrier = carrier
        self._window = min(window, carrier.window)
        self._messages: dict[int, Outgoing] = {}

    def __len__(self) -> int:
        return len(self._messages)

    def has_room(self) -> bool:
        return len(self._messages) < self._window

    def begin(self, message: Outgoing, whole: Outgoing) -> bool:
        """Hand over the `whole` of a message, and remember it as it waited. False: it is lost."""
        properties = whole.properties() if self.carrier.speaks_5 else None
        number = self.carrier.publish(whole.topic, whole.body or b"", whole.qos, whole.retain, properties)
        if number is None:
            return False
        self._messages[number] = message
        return True

    def end(self, number: int) -> Outgoing | None:
        """The message has arrived, or was refused."""
        return self._messages.pop(number, None)

    def crash(self) -> list[Outgoing]:
        """All that was on its way, in order; nothing is any more."""
        left = list(self._messages.values())
        self._messages.clear()
        return left


class _Receipts:
    """The journal learns in one transaction what has arrived since the last time."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._rows: list[int] = []
        self._tended_at = time.monotonic()

    def add(self, row: int) -> None:
        self._rows.append(row)

    def hand_in(self, now: float) -> None:
        if self._rows:
            self._journal.done(self._rows)
            self._rows.clear()
        if now - self._tended_at > _TEND_EVERY_S:
            self._tended_at = now
            self._journal.tend()


class Sender:
    """No method but `stop` and `drained` blocks.

    Only the thread touches what is on its way; the connection's threads leave events, which it works off in
    order.
    """

    def __init__(self, outbox: Outbox, journal: Journal, counters: Counters, window: int) -> None:
        """`window`: messages on their way at most; fewer where the broker takes fewer."""
        self._outbox = outbox
        self._journal = journal
        self._counters = counters
        self._window = window
        self._events: deque[Callable[[], None]] = deque()
        self._flight: _Flight | None = None
        """Of the connection that is up."""
        self._receipts = _Receipts(journal)
        self._stopping = False
        self._idle = True
        """Nothing is in the thread's hands."""
        self._beat = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="mqtt-sender", daemon=True)

    def start(self) -> None:
        """Start the thread; answers that the journal holds from before go first."""
        self.load()
        self._thread.start()

    def load(self) -> None:
        """Send the answers that the journal holds from before."""
        for row in self._journal.left_answered(WORLD):
            self._outbox.answer(Outgoing("", None, "answer", 1, row=row), on_disk=True)

    def stop(self) -> None:
        """End the thread; what is not sent stays in the journal or is lost."""
        with self._outbox.changed:
            self._stopping = True
            self._outbox.changed.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout=5)

    def drained(self, timeout: float) -> bool:
        """Wait until everything has arrived at the broker, or for so many seconds."""
        deadline = time.monotonic() + timeout
        while not self._settled():
            if not self._thread.is_alive() or time.monotonic() >= deadline:
                return False
            time.sleep(0.01)
        return True

    def beat(self) -> float:
        """Last sign of life of the thread."""
        return self._beat

    def unacknowledged(self) -> int:
        """Messages on their way."""
        flight = self._flight
        return 0 if flight is None else len(flight)

    def connected(self, carrier: Carrier) -> None:
        """The connection is up: send, the states first."""
        self._event(lambda: self._on_connected(carrier))

    def lost(self, carrier: Carrier) -> None:
        """The connection is gone; what was on its way with QoS 1 will be sent again."""
        self._event(lambda: self._on_lost(carrier))

    def published(self, carrier: Carrier, number: int, refused: str = "") -> None:
        """The broker has the message (QoS 1), or the socket (QoS 0); or why the broker refused it."""
        self._event(lambda: self._on_published(carrier, number, refused))

    def _event(self, event: Callable[[], None]) -> None:
        with self._outbox.changed:
            self._events.append(event)
            self._outbox.changed.notify()

    def _settled(self) -> bool:
        with self._outbox.changed:
            return self._idle and self._outbox.empty() and not (self.unacknowledged() or self._events)

    def _ready(self) -> bool:
        return bool(self._events) or self._stopping or (self._may_send() and not self._outbox.empty())

    def _may_send(self) -> bool:
        return self._flight is not None and self._flight.has_room()

    def _run(self) -> None:
        while True:
            with self._outbox.changed:
                self._idle = True
                self._outbox.changed.wait_for(self._ready, timeout=1.0)
                self._idle = False
                stopping = self._stopping
                events = list(self._events)
                self._events.clear()
            self._beat = time.monotonic()
            for event in events:
                event()
            self._receipts.hand_in(self._beat)
            if stopping:
                return
            while not self._events and self._may_send() and (batch := self._outbox.take()):
                for message in batch:
                    self._send(message)

    def _send(self, message: Outgoing) -> None:
        whole = message if message.body is not None else self._from_journal(message)
        if self._flight is None or whole is None:
            return
        if not self._flight.begin(message, whole):
            self._counters.count("mqtt_dropped", "the connection broke")

    def _from_journal(self, message: Outgoing) -> Outgoing | None:
        out = self._journal.answer_of(message.row) if message.row is not None else None
        if out is None:
            self._counters.count("mqtt_dropped", "the journal cannot be read")
            return None
        to, answer = Address.read(out.reply), out.answer
        return replace(message, topic=to.topic, body=answer.body, correlation=to.correlation, answer=answer)

    def _on_connected(self, carrier: Carrier) -> None:
        self._flight = _Flight(carrier, self._window)
        self._outbox.again()

    def _on_lost(self, carrier: Carrier) -> None:
        flight = self._flight
        if flight is None or carrier is not flight.carrier:
            return
        self._flight = None
        self._outbox.put_back(flight.crash())

    def _on_published(self, carrier: Carrier, number: int, refused: str) -> None:
        flight = self._flight
        message = flight.end(number) if flight is not None and carrier is flight.carrier else None
        if message is None:
            return
        if refused:
            log.warning("the broker refuses a message on %s: %s", message.topic, refused)
            self._counters.count("mqtt_dropped", f"refused by the broker: {refused}")
        else:
            self._counters.count("mqtt_published", message.policy)
        if message.row is not None:
            self._receipts.add(message.row)
        if message.arrived is not None:
            message.arrived()
