"""What comes in by MQTT, to whom it is for."""

from collections.abc import Callable

from paho.mqtt.client import MQTTMessage

from edged.mqtt.carrier import Carrier
from edged.mqtt.control_desk import ControlDesk
from edged.mqtt.request_desk import RequestDesk
from edged.mqtt.topics import Topics

Ack = Callable[[], object]


class Incoming:
    """Called in the connections' threads; nothing here waits."""

    def __init__(
        self,
        topics: Topics,
        requests: RequestDesk,
        control: ControlDesk,
        born: Callable[[], object] | None = None,
    ) -> None:
        """`born` is called when Home Assistant has started; none: nobody wants to know."""
        self._topics = topics
        self._requests = requests
        self._control = control
        self._born = born

    @property
    def heard(self) -> tuple[str, ...]:
        """What the node is subscribed to."""
        births = () if self._born is None else (self._topics.birth,)
        return (self._topics.requests, self._topics.controls, *births)

    def to_node(self, carrier: Carrier, message: MQTTMessage, ack: Ack) -> None:
        """For this node."""
        if (service := self._topics.requested(message.topic)) is not None:
            self._requests.take(service, message, ack, carrier)
        elif (verb := self._topics.commanded(message.topic)) is not None:
            self._control.take(verb, message, ack)
        else:
            ack()  # an older version may have left others in our session
            if self._born is not None and (message.topic, message.payload) == (self._topics.birth, b"online"):
                self._born()

    def to_any(self, _: Carrier, message: MQTTMessage, ack: Ack) -> None:
        """By a connection without a session: what is not acknowledged does not come again."""
        if (service := self._topics.requested(message.topic)) is not None:
            self._requests.take(service, message, ack, None)
