"""One message on its way out, and what MQTT 5 says beside its body."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edged.contracts.request import Answer
from edged.mqtt.topics import as_level


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message on its way out."""

    topic: str
    body: bytes | None
    """None: still in the journal."""
    policy: Literal["state", "latest", "ring", "answer", "event"] = "ring"
    """What may be lost of it: the method of `Outbox` that took it."""
    qos: int = 0
    """0: lost with the connection, never doubled; 1: sent again until the broker has it."""
    retain: bool = False
    correlation: bytes = b""
    answer: Answer | None = None
    """What is being answered, for the user properties of MQTT 5."""
    service: str = ""
    """That was asked."""
    row: int | None = None
    """In the journal."""
    arrived: Callable[[object], bool] | None = None
    """Called when the broker has it, with the connection that it went by. True: what it answers does not
    come again."""
    settled: Callable[[], None] | None = None
    """Called when the broker has it, or will never get it."""
    content_type: str = ""
    """Of a body that is not JSON, for MQTT 5."""
    facts: tuple[tuple[str, str], ...] = ()
    """What such a body cannot say itself: user properties of MQTT 5."""

    deaths: int = 0
    """So many connections were lost while it was on its way."""
    deaths_alone: int = 0
    """Those of them at which nothing else was on its way."""
    is_last_word: bool = False
    """It stands for a message that was set aside."""

    def named(self) -> str:
        """For people."""
        what = "an answer" if self.policy == "answer" else "a message"
        return f"{what} on {self.topic!r} ({len(self.body or b'')} bytes)"

    def properties(self) -> Properties | None:
        """MQTT 5: who is answered, by which model, and how it went, for those whose body cannot say so."""
        if not (self.correlation or self.answer or self.content_type):
            return None
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        if self.correlation:
            properties.CorrelationData = self.correlation
        if self.answer is not None:
            answer = self.answer
            clean = answer.request_id if answer.request_id.isprintable() else as_level(answer.request_id)
            properties.ContentType = "application/json"
            properties.UserProperty = [("request_id", clean[:1000]), ("code", str(answer.code))]
            if answer.model is not None:
                properties.UserProperty = ("model", answer.model)
            if answer.artefact is not None:
                properties.UserProperty = ("artefact", answer.artefact)
        if self.content_type:
            properties.ContentType = self.content_type
            properties.UserProperty = list(self.facts)
        return properties
