"""What waits to go out: queues of ours, each with its own idea of what may be lost.

paho's own queue is not used: it keeps the oldest, refuses the newest, and what it refuses with rc 4 it
sends later all the same.
"""

import threading
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import replace

from edged.flow.counters import Counters
from edged.mqtt.outgoing import Outgoing
from edged.mqtt.retained import Retained

SUSPECT = 2
"""A message is suspected when so many connections died while it was on its way."""
_KEPT = ("answer", "event")
"""Policies under which nothing is lost."""
HELD_BYTES = 64_000_000
"""Bodies of waiting answers that stay in memory; the others are read from the journal at their turn."""


class _Answers:
    """All that wait, events too, and the bytes of them that are in memory."""

    def __init__(self) -> None:
        self._waiting: deque[Outgoing] = deque()
        self._held = 0
        self.number = Counter[str]()
        """By policy."""

    def __len__(self) -> int:
        return len(self._waiting)

    def append(self, message: Outgoing, on_disk: bool) -> None:
        if on_disk and self._held > HELD_BYTES:
            message = replace(message, body=None, answer=None)
        self._waiting.append(message)
        self._count(message, 1)

    def appendleft(self, message: Outgoing) -> None:
        self._waiting.appendleft(message)
        self._count(message, 1)

    def popleft(self) -> Outgoing:
        message = self._waiting.popleft()
        self._count(message, -1)
        return message

    def _count(self, message: Outgoing, sign: int) -> None:
        self._held += sign * len(message.body or b"")
        self.number[message.policy] += sign


class Outbox:
    """Policies: `state` and `latest` keep the newest a topic, `ring` drops the oldest, the others keep all.

    Safe from all threads; no method blocks.
    """

    def __init__(self, counters: Counters, ring: int) -> None:
        self.changed = threading.Condition()
        """Guards all that waits; notified of each message that comes. The sender waits on it."""
        self._counters = counters
        self._retained = Retained()
        self._states: dict[str, Outgoing] = {}
        self._pictures: dict[str, Outgoing] = {}
        self._answers = _Answers()
        self._suspects: deque[Outgoing] = deque()
        """Each is sent alone, for connections died while it was on its way."""
        self._ring: deque[Outgoing] = deque()
        self._ring_size = ring

    def state(self, topic: str, body: bytes) -> None:
        """Retained; published now and after each reconnect. A newer one replaces it.

        One that says the same is still what connections died on.
        """
        with self.changed:
            message = self._retained.put(Outgoing(topic, body, "state", 1, retain=True))
            self._suspects = deque(m for m in self._suspects if m.policy != "state" or m.topic != topic)
            self._states.pop(topic, None)
            self._line_up(message)
            self.changed.notify()

    def latest(self, topic: str, jpeg: bytes, facts: tuple[tuple[str, str], ...]) -> None:
        """A picture: a newer one replaces it while it waits; never sent twice."""
        with self.changed:
            if topic in self._pictures:
                self._counters.count("mqtt_dropped", "a newer picture came")
            self._pictures[topic] = Outgoing(topic, jpeg, "latest", content_type="image/jpeg", facts=facts)
            self.changed.notify()

    def ring(
        self, topic: str, body: bytes, qos: int = 0, correlation: bytes = b"", *, retain: bool = False
    ) -> None:
        """A result, health, progress: while the broker is away the oldest are dropped.

        The newest that is retained never is; it is published again after each reconnect, as a state is.
        """
        with self.changed:
            message = Outgoing(topic, body, "ring", qos, retain, correlation)
            if retain:
                message = self._retained.put(message)
                self._states.pop(topic, None)  # it would be sent later than this, and stay
            self._into_ring(message)

    def forget(self, topic: str, *, anyway: bool = False) -> None:
        """The broker shall retain nothing here any more; `anyway`: not of earlier runs either."""
        with self.changed:
            if self._retained.forget(topic) or anyway:
                self._states.pop(topic, None)
                self._into_ring(Outgoing(topic, b"", "ring", 1, retain=True))

    def answer(self, message: Outgoing, on_disk: bool) -> None:
        """An answer, or an event; an answer that is `on_disk` need not stay in memory."""
        with self.changed:
            self._answers.append(message, on_disk)
            self.changed.notify()

    def take(self, nothing_flies: bool) -> list[Outgoing]:
        """One message of each kind, so that none starves the others; none when nothing waits.

        Suspects come alone, after the states: if the connection dies on one, it is known which.
        """
        batch: list[Outgoing] = []
        with self.changed:
            if self._suspects and not self._states:
                return [self._suspects.popleft()] if nothing_flies else []
            for newest in (self._states, self._pictures):
                if newest:
                    batch.append(newest.pop(next(iter(newest))))
            if not self._suspects:  # else it would overtake them
                batch += [queue.popleft() for queue in (self._answers, self._ring) if queue]
        return batch

    def again(self) -> None:
        """The broker may have forgotten what it retained: it is sent once more, before anything newer."""
        with self.changed:
            newer, self._states = self._states, {}
            waiting = {message.topic for message in (*self._ring, *self._suspects)} | newer.keys()
            for message in self._retained.beside(waiting):
                self._line_up(message)
            self._states |= newer

    def put_back(self, messages: Iterable[Outgoing]) -> None:
        """What was on its way, in its order, when the connection broke."""
        with self.changed:
            for message in reversed(list(messages)):
                self._retained.note(message)
                if message.policy in _KEPT:
                    self._counters.count("mqtt_published", f"{message.policy} sent again")
                if message.qos == 0:
                    self._counters.count("mqtt_dropped", "the connection broke")
                elif message.policy == "state":  # sent again anyway
                    pass
                elif message.deaths >= SUSPECT:
                    self._suspects.appendleft(message)
                else:
                    (self._answers if message.policy in _KEPT else self._ring).appendleft(message)

    def try_alone(self, message: Outgoing) -> None:
        """What connections may have died on, in the place of QoS 0: acknowledged, and one a topic."""
        with self.changed:
            if any(waiting.topic == message.topic for waiting in self._suspects):
                self._counters.count("mqtt_dropped", "one like it is tried alone")
            else:
                self._suspects.append(replace(message, qos=1, deaths=SUSPECT))

    def survived(self, message: Outgoing) -> None:
        """The broker has it: no connection dies on it."""
        with self.changed:
            self._retained.note(message, survived=True)

    def waiting(self) -> dict[str, int]:
        """Messages that wait, by what they are."""
        number = self._answers.number + Counter(message.policy for message in tuple(self._suspects))
        return {
            "answers": number.pop("answer", 0),
            "events": number.pop("event", 0),
            "results": len(self._ring) + number.total(),
            "snapshots": len(self._pictures),
            "states": len(self._states),
        }

    def empty(self) -> bool:
        """Nothing waits."""
        return not (self._states or self._pictures or self._answers or self._ring or self._suspects)

    def has_any(self, nothing_flies: bool) -> bool:
        """Whether `take` would give something."""
        return nothing_flies if self._suspects and not self._states else not self.empty()

    def _line_up(self, message: Outgoing) -> None:
        if message.deaths >= SUSPECT:
            self._suspects.append(message)
        else:
            self._states[message.topic] = message

    def _into_ring(self, message: Outgoing) -> None:
        if _dropped_for(message, self._ring, self._ring_size):
            self._counters.count("mqtt_dropped", "the broker is away or too slow")
        self.changed.notify()


def _dropped_for(message: Outgoing, ring: deque[Outgoing], size: int) -> bool:
    """Put it into the ring; whether another one had to go for it."""
    ring.append(message)
    if len(ring) <= size or (oldest := _droppable(ring)) is None:
        return False
    del ring[oldest]
    return True


def _droppable(ring: deque[Outgoing]) -> int | None:
    """The oldest, but for last words on retained topics: the broker would keep the ones before."""
    if not ring[0].retain:
        return 0
    last = {message.topic: n for n, message in enumerate(ring) if message.retain}
    return next((n for n, message in enumerate(ring) if last.get(message.topic) != n), None)
