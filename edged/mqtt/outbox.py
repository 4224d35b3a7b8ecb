"""What waits to go out: queues of ours, each with its own idea of what may be lost.

paho's own queue is not used: it keeps the oldest, refuses the newest, and what it refuses with rc 4 it
sends later all the same.
"""

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import replace

from edged.flow.counters import Counters
from edged.mqtt.outgoing import Outgoing

SUSPECT = 2
"""A message is suspected when so many connections died while it was on its way."""
HELD_BYTES = 64_000_000
"""Bodies of waiting answers that stay in memory; the others are read from the journal at their turn."""


class Outbox:
    """Policies: `state` and `latest` keep the newest a topic, `ring` drops the oldest, but never the last
    word on a retained topic; `answer` keeps all.

    Safe from all threads; no method blocks.
    """

    def __init__(self, counters: Counters, ring: int) -> None:
        self.changed = threading.Condition()
        """Guards all that waits; notified of each message that comes. The sender waits on it."""
        self._counters = counters
        self._retained: dict[str, Outgoing] = {}
        """The newest of every topic that is retained, sent or not."""
        self._states: dict[str, Outgoing] = {}
        self._pictures: dict[str, Outgoing] = {}
        self._answers: deque[Outgoing] = deque()
        self._suspects: deque[Outgoing] = deque()
        """Each is sent alone, for connections died while it was on its way."""
        self._held = 0
        self._ring: deque[Outgoing] = deque()
        self._ring_size = ring

    def state(self, topic: str, body: bytes) -> None:
        """Retained; published now and after each reconnect. A newer one replaces it."""
        with self.changed:
            self._retained[topic] = self._states[topic] = Outgoing(topic, body, "state", 1, retain=True)
            self.changed.notify()

    def latest(self, topic: str, body: bytes, content_type: str, facts: tuple[tuple[str, str], ...]) -> None:
        """A picture: a newer one replaces it while it waits; never sent twice."""
        with self.changed:
            if topic in self._pictures:
                self._counters.count("mqtt_dropped", "a newer picture came")
            self._pictures[topic] = Outgoing(topic, body, "latest", content_type=content_type, facts=facts)
            self.changed.notify()

    def ring(
        self, topic: str, body: bytes, qos: int = 0, correlation: bytes = b"", *, retain: bool = False
    ) -> None:
        """A result, health, progress: while the broker is away the oldest are dropped.

        The newest that is retained is published again after each reconnect, as a state is.
        """
        with self.changed:
            message = Outgoing(topic, body, "ring", qos, retain, correlation)
            if retain:
                self._retained[topic] = message
                self._states.pop(topic, None)  # it would be sent later than this, and stay
            self._into_ring(message)

    def forget(self, topic: str) -> None:
        """The broker shall retain nothing on this topic any more: it is told so by an empty message."""
        with self.changed:
            if self._retained.pop(topic, None) is not None:
                self._states.pop(topic, None)
                self._into_ring(Outgoing(topic, b"", "ring", 1, retain=True))

    def answer(self, message: Outgoing, on_disk: bool) -> None:
        """An answer; one that is `on_disk` need not stay in memory."""
        with self.changed:
            if on_disk and self._held > HELD_BYTES:
                message = replace(message, body=None, answer=None)
            self._held += len(message.body or b"")
            self._answers.append(message)
            self.changed.notify()

    def take(self, nothing_flies: bool) -> list[Outgoing]:
        """One message of each kind, so that none starves the others; none when nothing waits.

        Suspects come alone and when nothing else is on its way, after the states: if the connection dies on
        one, it is known which.
        """
        batch: list[Outgoing] = []
        with self.changed:
            if self._suspects and not self._states:
                return [self._suspects.popleft()] if nothing_flies else []
            for newest in (self._states, self._pictures):
                if newest:
                    batch.append(newest.pop(next(iter(newest))))
            if self._answers:
                answer = self._answers.popleft()
                self._held -= len(answer.body or b"")
                batch.append(answer)
            if self._ring:
                batch.append(self._ring.popleft())
        return batch

    def again(self) -> None:
        """The broker may have forgotten what it retained: it is sent once more, before anything newer."""
        with self.changed:
            waiting = (*self._suspects, *self._ring)
            coming = {message.topic for message in waiting}  # newer than, or the same as, the last one
            known = {topic: message for topic, message in self._retained.items() if topic not in coming}
            self._states = known | self._states

    def give_up(self, message: Outgoing) -> None:
        """It is not sent again, nor published after a reconnect unless a newer one took its place."""
        with self.changed:
            kept = self._retained.get(message.topic)
            if kept is not None and kept.body is message.body:
                del self._retained[message.topic]

    def put_back(self, messages: Iterable[Outgoing]) -> None:
        """What was on its way, in its order, when the connection broke."""
        with self.changed:
            for message in reversed(list(messages)):
                if message.qos == 0:
                    self._counters.count("mqtt_dropped", "the connection broke")
                elif message.policy == "answer":
                    self._counters.count("mqtt_published", "answer sent again")
                    if message.deaths >= SUSPECT:
                        self._suspects.appendleft(message)
                        continue
                    self._answers.appendleft(message)
                    self._held += len(message.body or b"")
                elif message.policy == "ring":  # states are sent again anyway
                    (self._suspects if message.deaths >= SUSPECT else self._ring).appendleft(message)

    def waiting(self) -> dict[str, int]:
        """Messages that wait, by what they are."""
        suspected = sum(message.policy == "answer" for message in tuple(self._suspects))
        return {
            "answers": len(self._answers) + suspected,
            "results": len(self._ring) + len(self._suspects) - suspected,
            "snapshots": len(self._pictures),
            "states": len(self._states),
        }

    def empty(self) -> bool:
        """Nothing waits."""
        return not (self._states or self._pictures or self._answers or self._ring or self._suspects)

    def has_any(self, nothing_flies: bool) -> bool:
        """Whether `take` would give something."""
        if self._suspects and not self._states:
            return nothing_flies
        return not self.empty()

    def _into_ring(self, message: Outgoing) -> None:
        self._ring.append(message)
        if len(self._ring) > self._ring_size and (oldest := _droppable(self._ring)) is not None:
            del self._ring[oldest]
            self._counters.count("mqtt_dropped", "the broker is away or too slow")
        self.changed.notify()


def _droppable(ring: deque[Outgoing]) -> int | None:
    """The oldest, but for last words on retained topics: the broker would keep the ones before."""
    if not ring[0].retain:
        return 0
    last = {message.topic: n for n, message in enumerate(ring) if message.retain}
    return next((n for n, message in enumerate(ring) if last.get(message.topic) != n), None)
