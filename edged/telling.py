"""What is told of streams: to the broker, to whoever listens over HTTP, and to further sinks."""

from collections.abc import Collection, Iterable
from functools import partial

from edged.contracts.message import LineCounts, StreamState, ZoneCounts
from edged.flow.clock import iso_utc
from edged.flow.units import Units
from edged.homeassistant.announcer import Announcer, Messages
from edged.http.server import HttpUnit
from edged.mqtt.publications import Publications
from edged.mqtt.unit import MqttUnit
from edged.streams.publisher import Sink


class Telling:
    """Lives as long as the process, and remembers what another broker, or one that forgot, must hear again.

    Safe from all threads.
    """

    def __init__(self, units: Units, sinks: Iterable[Sink]) -> None:
        self._units = units
        self._sinks = (*sinks, self._to_listeners)
        self._states: dict[str, StreamState] = {}
        self._events: dict[tuple[str, str], bytes] = {}
        """The last message by stream and service, of those that the broker retains."""
        self.home = Announcer()
        """What Home Assistant is told."""

    def mqtt(self) -> MqttUnit | None:
        """The connection to the broker, while it runs."""
        return self._units.get("mqtt", MqttUnit)

    def sinks(self, retained: frozenset[str]) -> tuple[Sink, ...]:
        """Where the messages of a stream go; the broker retains those of the services in `retained`."""
        return (*self._sinks, partial(self._to_broker, retained))

    def states(self) -> dict[str, StreamState]:
        """The newest state of every stream, by name; those that left the configuration too."""
        return self._states.copy()

    def state(self, stream: str, state: StreamState) -> None:
        """How a stream is."""
        self._states[stream] = state
        if (mqtt := self.mqtt()) is not None:
            mqtt.publications.stream_state(stream, state)

    def opening(self, stream: str) -> None:
        """A stream is begun: who switched it on learns it at once, not with its first frame."""
        if (told := self._states.get(stream)) is not None and not told.enabled:
            self.state(stream, StreamState(state="offline", fps=0.0, why="its source is being opened"))

    def snapshot(self, stream: str, captured_at: float, jpeg: bytes) -> None:
        """A picture of a stream."""
        if (mqtt := self.mqtt()) is not None:
            mqtt.publications.snapshot(stream, iso_utc(captured_at), jpeg)

    def place(self, stream: str, kind: str, place: str, said: LineCounts | ZoneCounts) -> None:
        """What is counted at a line or in a zone; it is told again soon, so that a new broker learns it."""
        if (mqtt := self.mqtt()) is not None:
            mqtt.publications.place(stream, kind, place, said)

    def forget(self, topics: Iterable[str]) -> None:
        """The broker shall retain nothing on these any more."""
        if (mqtt := self.mqtt()) is not None:
            for topic in topics:
                mqtt.publications.forget(topic)

    def channel(self) -> Publications | None:
        """The way of events to the broker, while there is one."""
        return mqtt.publications if (mqtt := self.mqtt()) is not None else None

    def heard(self) -> None:
        """There are new events in the book."""
        if (http := self._units.get("http", HttpUnit)) is not None:
            http.wake_followers()

    def to_home(self, messages: Messages) -> None:
        """Home Assistant shall know this."""
        if (mqtt := self.mqtt()) is not None:
            for topic, body in messages:
                mqtt.publications.retained(topic, body)

    def repeat(self, mqtt: MqttUnit) -> None:
        """Tell a new connection all that is retained."""
        for stream, state in self._states.copy().items():
            mqtt.publications.stream_state(stream, state)
        for (stream, service), body in self._events.copy().items():
            mqtt.publications.result(stream, service, body, retain=True)
        for topic, body in self.home.all():
            mqtt.publications.retained(topic, body)

    def keep_only(self, told: Collection[tuple[str, str]]) -> None:
        """Take back the retained messages of other streams and services than these."""
        for gone in self._events.copy().keys() - set(told):
            del self._events[gone]
            if (mqtt := self.mqtt()) is not None:
                mqtt.publications.forget_result(*gone)

    def _to_listeners(self, stream: str, service: str, body: bytes) -> None:
        """To whoever listens over HTTP."""
        if (http := self._units.get("http", HttpUnit)) is not None:
            http.publish_result(stream, service, body)

    def _to_broker(self, retained: frozenset[str], stream: str, service: str, body: bytes) -> None:
        if service in retained:
            self._events[stream, service] = body
        if (mqtt := self.mqtt()) is not None:
            mqtt.publications.result(stream, service, body, retain=service in retained)
