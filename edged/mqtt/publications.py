"""What a node publishes of itself and its streams: on which topic, in which form."""

from collections.abc import Callable

import orjson
from pydantic import BaseModel

from edged.contracts.happenings import LineCounts, RuleState, ZoneCounts
from edged.contracts.message import Health, Info, StreamState
from edged.mqtt.outbox import Outbox
from edged.mqtt.outgoing import Outgoing
from edged.mqtt.topics import Topics


class Publications:
    """No method blocks; each may be called from any thread, and before the broker is there."""

    def __init__(self, topics: Topics, outbox: Outbox) -> None:
        self._topics = topics
        self._outbox = outbox

    def result(self, stream: str, service: str, body: bytes, *, retain: bool = False) -> None:
        """A stream message, encoded; an event is retained, so that who comes later finds the last one."""
        topic = self._topics.stream(stream, service)
        if retain:
            self._outbox.ring(topic, body, qos=1, retain=True)
        else:
            self._outbox.ring(topic, body)

    def forget_result(self, stream: str, service: str) -> None:
        """Take a retained stream message back from the broker."""
        self._outbox.forget(self._topics.stream(stream, service))

    def snapshot(self, stream: str, captured_at: str, jpeg: bytes) -> None:
        """A picture of a stream; `captured_at` is ISO 8601."""
        topic = self._topics.snapshot(stream)
        self._outbox.latest(topic, jpeg, (("captured_at", captured_at),))

    def stream_state(self, stream: str, state: StreamState) -> None:
        """Retained: how a stream is."""
        self._outbox.state(self._topics.stream_state(stream), _encoded(state))

    def place(self, stream: str, kind: str, place: str, said: LineCounts | ZoneCounts) -> None:
        """Retained: what is counted at a line or in a zone."""
        self._outbox.state(self._topics.place(stream, kind, place), _encoded(said))

    def event(self, stream: str, body: bytes, settled: Callable[[], None]) -> None:
        """Something that happened, encoded; `settled`: the broker has it, or will never take it."""
        message = Outgoing(self._topics.event(stream), body, "event", 1, settled=settled)
        self._outbox.answer(message, on_disk=False)

    def rule(self, rule: str, state: RuleState) -> None:
        """Retained: whether a rule holds."""
        self._outbox.state(self._topics.rule(rule), _encoded(state))

    def forget(self, topic: str) -> None:
        """The broker shall retain nothing here any more, whichever run of ours told it so."""
        self._outbox.forget(topic, anyway=True)

    def retained(self, topic: str, body: bytes) -> None:
        """Retained, each of them in its order, though a newer one comes; empty: take back what was."""
        if body:
            self._outbox.ring(topic, body, qos=1, retain=True)
        else:
            self._outbox.forget(topic, anyway=True)

    def health(self, health: Health) -> None:
        """How the daemon is; retained, so that who comes later need not wait for the next."""
        self._outbox.ring(self._topics.health, _encoded(health), qos=1, retain=True)

    def info(self, info: Info) -> None:
        """Retained: what the node is and serves."""
        self._outbox.state(self._topics.info, _encoded(info))

    def available(self, yes: bool) -> None:
        """Retained: whether the node is there; the broker says no for one that is cut off."""
        self._outbox.state(self._topics.availability, b"online" if yes else b"offline")


def _encoded(message: BaseModel) -> bytes:
    return orjson.dumps(message.model_dump(by_alias=True))
