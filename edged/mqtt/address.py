"""Where an answer goes over MQTT, also as the journal keeps it for us."""

from dataclasses import dataclass
from typing import Self

import orjson

WORLD = "mqtt"
"""Our name in the journal."""


@dataclass(frozen=True, slots=True)
class Address:
    """A topic that was checked, and what the client wants to find beside the answer."""

    topic: str
    """Of the request: the property of MQTT 5; empty: it names none there."""
    correlation: bytes
    """Echoed; empty: none."""
    packet: int | None = None
    """Number of the request's packet; 0: the broker does not send it again; none: 0.1.0 took it."""

    def written(self) -> bytes:
        """For the journal; 0.1.0's addresses are brought into this form by `edged.requests.layout`."""
        fields = {"topic": self.topic, "correlation": self.correlation.hex(), "packet": self.packet}
        return orjson.dumps(fields)

    @classmethod
    def read(cls, reply: bytes) -> Self:
        """What `written` gave."""
        fields = orjson.loads(reply)
        return cls(fields["topic"], bytes.fromhex(fields["correlation"]), fields.get("packet"))
