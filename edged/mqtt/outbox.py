"""Everything that goes out: queues of ours, one thread that sends, so many on their way at most.

paho's own queue is not used: it keeps the oldest, refuses the newest, and what it refuses with rc 4 it
sends later all the same.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from edged.flow.counters import Counters
from edged.mqtt.journal import Addressed, Journal
from edged.mqtt.outgoing import Outgoing

log = logging.getLogger(__name__)

HELD_BYTES = 64_000_000
"""Bodies of waiting answers that stay in memory; the others are read from the journal at their turn."""
_PURGE_EVERY_S = 30.0


class Carrier(Protocol):
    """What the sender needs of a connection that is up."""

    speaks_5: bool
    """Whether properties can be sent."""
    window: int
    """Messages that the broker takes unacknowledged."""

    def publish(self, topic: str, body: bytes, qos: int, retain: bool, properties: Any) -> int | None:
        """Hand over a message; the number under which it is reported as published, or none: it is lost."""


class Outbox:
    """Policies: `state` and `latest` keep the newest a topic, `ring` drops the oldest, `answer` keeps all.

    No method blocks. Only the sender's thread touches what is in flight; the connection's threads leave
    events, which it works off in order.
    """

    def __init__(self, journal: Journal, counters: Counters, ring: int, window: int) -> None:
        self._journal = journal
        self._counters = counters
        self._window = window
        self._changed = threading.Condition()
        self._events: deque[Callable[[], None]] = deque()
        self._states: dict[str, Outgoing] = {}
        """The newest of every topic that is retained."""
        self._unsent: dict[str, Outgoing] = {}
        self._answers: deque[Outgoing] = deque()
        self._held = 0
        self._ring: deque[Outgoing] = deque()
        self._ring_size = ring
        self._carrier: Carrier | None = None
        self._in_flight: dict[int, Outgoing] = {}
        self._done: list[int] = []
        self._stopping = False
        self._idle = True
        """Nothing is in the sender's hands."""
        self._purged_at = self._beat = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="mqtt-sender", daemon=True)

    def start(self) -> None:
        """Start the sender; answers that the journal holds from before go first."""
        for row in self._journal.answered():
            self._answers.append(Outgoing("", None, "answer", 1, row=row))
        self._thread.start()

    def stop(self) -> None:
        """End the sender; what is not sent stays in the journal or is lost."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
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
        """Last sign of life of the sender."""
        return self._beat

    def queued(self) -> int:
        """Answers and results that wait."""
        return len(self._answers) + len(self._ring)

    def state(self, topic: str, body: bytes) -> None:
        """Retained; published now and after each reconnect. A newer one replaces it."""
        with self._changed:
            self._states[topic] = self._unsent[topic] = Outgoing(topic, body, "state", 1, retain=True)
            self._changed.notify()

    def latest(self, topic: str, body: bytes, content_type: str, facts: tuple[tuple[str, str], ...]) -> None:
        """A picture: a newer one replaces it while it waits; never sent twice."""
        with self._changed:
            if topic in self._unsent:
                self._counters.count("mqtt_dropped", "a newer picture came")
            self._unsent[topic] = Outgoing(topic, body, "latest", content_type=content_type, facts=facts)
            self._changed.notify()

    def ring(
        self, topic: str, body: bytes, qos: int = 0, correlation: bytes = b"", *, retain: bool = False
    ) -> None:
        """A result, health, progress: while the broker is away the oldest are dropped.

        The newest that is retained is published again after each reconnect, as a state is.
        """
        with self._changed:
            message = Outgoing(topic, body, "ring", qos, retain, correlation)
            if retain:
                self._states[topic] = message
            self._into_ring(message)

    def forget(self, topic: str) -> None:
        """The broker shall retain nothing on this topic any more: it is told so by an empty message."""
        with self._changed:
            if self._states.pop(topic, None) is not None:
                self._into_ring(Outgoing(topic, b"", "ring", 1, retain=True))

    def answer(
        self, out: Addressed, row: int | None, on_disk: bool, arrived: Callable[[], object] | None = None
    ) -> None:
        """An answer; the `row` of the journal, if there is one, is marked when the broker has it."""
        answer = out.answer
        message = Outgoing(
            out.topic,
            answer.body,
            "answer",
            1,
            correlation=out.correlation,
            answer=answer,
            row=row,
            arrived=arrived,
        )
        with self._changed:
            if on_disk and self._held > HELD_BYTES:
                message = replace(message, body=None, answer=None)
            self._held += len(message.body or b"")
            self._answers.append(message)
            self._changed.notify()

    def connected(self, carrier: Carrier) -> None:
        """The connection is up: send, the states first."""
        self._event(lambda: self._on_connected(carrier))

    def lost(self, carrier: Carrier) -> None:
        """The connection is gone; what was on its way with QoS 1 will be sent again."""
        self._event(lambda: self._on_lost(carrier))

    def published(self, carrier: Carrier, number: int, refused: str = "") -> None:
        """The broker has the message (QoS 1), or the socket (QoS 0); or why the broker refused it."""
        self._event(lambda: self._on_published(carrier, number, refused))

    def _into_ring(self, message: Outgoing) -> None:
        self._ring.append(message)
        if len(self._ring) > self._ring_size:
            self._ring.popleft()
            self._counters.count("mqtt_dropped", "the broker is away or too slow")
        self._changed.notify()

    def _event(self, event: Callable[[], None]) -> None:
        with self._changed:
            self._events.append(event)
            self._changed.notify()

    def _settled(self) -> bool:
        with self._changed:
            return self._idle and not (self._waiting() or self._in_flight or self._events)

    def _waiting(self) -> bool:
        return bool(self._unsent or self._answers or self._ring)

    def _ready(self) -> bool:
        return bool(self._events) or self._stopping or (self._may_send() and self._waiting())

    def _may_send(self) -> bool:
        return self._carrier is not None and len(self._in_flight) < min(self._window, self._carrier.window)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._idle = True
                self._changed.wait_for(self._ready, timeout=1.0)
                self._idle = False
                stopping = self._stopping
                events = list(self._events)
                self._events.clear()
            self._beat = time.monotonic()
            for event in events:
                event()
            self._tidy()
            if stopping:
                return
            while not self._events and self._may_send() and (batch := self._next()):
                for message in batch:
                    self._send(message)

    def _tidy(self) -> None:
        """The journal learns in one transaction what has arrived since the last round."""
        if self._done:
            self._journal.done(self._done)
            self._done.clear()
        if self._beat - self._purged_at > _PURGE_EVERY_S:
            self._purged_at = self._beat
            self._journal.purge()

    def _next(self) -> list[Outgoing]:
        """One message of each kind, so that none starves the others."""
        batch = []
        with self._changed:
            if self._unsent:
                batch.append(self._unsent.pop(next(iter(self._unsent))))
            if self._answers:
                answer = self._answers.popleft()
                self._held -= len(answer.body or b"")
                batch.append(answer)
            if self._ring:
                batch.append(self._ring.popleft())
        return batch

    def _send(self, message: Outgoing) -> None:
        carrier = self._carrier
        whole = message if message.body is not None else self._from_journal(message)
        if carrier is None or whole is None or whole.body is None:
            return
        properties = whole.properties() if carrier.speaks_5 else None
        number = carrier.publish(whole.topic, whole.body, whole.qos, whole.retain, properties)
        if number is None:
            self._counters.count("mqtt_dropped", "the connection broke")
        else:
            self._in_flight[number] = message

    def _from_journal(self, message: Outgoing) -> Outgoing | None:
        out = self._journal.answer_of(message.row) if message.row is not None else None
        if out is None:
            self._counters.count("mqtt_dropped", "the journal cannot be read")
            return None
        answer = out.answer
        return replace(message, topic=out.topic, body=answer.body, correlation=out.correlation, answer=answer)

    def _on_connected(self, carrier: Carrier) -> None:
        self._carrier = carrier
        with self._changed:
            coming = {message.topic for message in self._ring}  # newer than, or the same as, the last one
            again = {topic: message for topic, message in self._states.items() if topic not in coming}
            self._unsent = again | self._unsent

    def _on_lost(self, carrier: Carrier) -> None:
        if carrier is not self._carrier:
            return
        self._carrier = None
        again = list(self._in_flight.values())
        self._in_flight.clear()
        with self._changed:
            for message in reversed(again):
                self._put_back(message)

    def _put_back(self, message: Outgoing) -> None:
        if message.qos == 0:
            self._counters.count("mqtt_dropped", "the connection broke")
        elif message.policy == "answer":
            self._answers.appendleft(message)
            self._held += len(message.body or b"")
            self._counters.count("mqtt_published", "answer sent again")
        elif message.policy == "ring":  # states are sent again anyway
            self._ring.appendleft(message)

    def _on_published(self, carrier: Carrier, number: int, refused: str) -> None:
        message = self._in_flight.pop(number, None) if carrier is self._carrier else None
        if message is None:
            return
        if refused:
            log.warning("the broker refuses a message on %s: %s", message.topic, refused)
            self._counters.count("mqtt_dropped", f"refused by the broker: {refused}")
        else:
            self._counters.count("mqtt_published", message.policy)
        if message.row is not None:
            self._done.append(message.row)
        if message.arrived is not None:
            message.arrived()
