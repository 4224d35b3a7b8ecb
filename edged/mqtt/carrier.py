"""A connection that is up, and what a connection tells of itself."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as paho

from edged.mqtt.settings import Version

LARGEST = 268_435_460
"""Bytes of a packet, the most that MQTT has."""
MAX_INFLIGHT = 65535
"""All that MQTT has. With less the broker holds back or drops what comes above, instead of our 429."""


class Carrier:
    """What the sender sends through. Dead for good once the connection is lost."""

    def __init__(self, client: paho.Client, version: Version, properties: Any) -> None:
        self._client = client
        self.version: Version = version
        self.speaks_5 = version == "5"
        """Whether properties can be sent."""
        self.window: int = getattr(properties, "ReceiveMaximum", MAX_INFLIGHT)
        """Messages that the broker takes unacknowledged."""
        self.largest: int = getattr(properties, "MaximumPacketSize", LARGEST)
        """Bytes of a packet that the broker takes; MQTT 3.1.1 does not say."""
        self.was_cut = False
        """The broker, or somebody between, ended it; not we, nor silence."""
        self.suspect = ""
        """What is tried alone at the moment, since earlier connections died on it."""
        self.shares: bool = self.speaks_5 and getattr(properties, "SharedSubscriptionAvailable", 1) == 1

    def publish(self, topic: str, body: bytes, qos: int, retain: bool, properties: Any) -> int | None:
        """Hand over; the number that `published` reports, or none: not sent and lost."""
        info = self._client.publish(topic, body, qos, retain, properties)
        return info.mid if qos or info.rc == paho.MQTT_ERR_SUCCESS else None


@dataclass(frozen=True)
class Events:
    """What the connection tells, in its own thread."""

    up: Callable[[Carrier], None]
    lost: Callable[[Carrier], None]
    message: Callable[[Carrier, paho.MQTTMessage, Callable[[], object]], None]
    """A message, and what acknowledges it."""
    published: Callable[[Carrier, int, str], None] = lambda *_: None
    """Number, and why the broker refused it (empty: it did not)."""
    fresh: Callable[[], None] = lambda: None
    """The broker has nothing of our last session any more. Told before the first message comes."""
