"""The daemon's place at the broker, as one unit: connections, requests, control, everything published."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import orjson
from paho.mqtt.client import MQTTMessage
from pydantic import BaseModel

from edged.contracts.message import Health, Info, ServiceFacts, StreamState
from edged.contracts.request import Intake
from edged.flow.counters import Counters
from edged.mqtt.broker import embedded_versions
from edged.mqtt.client import Carrier, Connection, Events, Membership
from edged.mqtt.control import ControlDesk, Verb
from edged.mqtt.journal import Journal, Request
from edged.mqtt.publish import Outbox
from edged.mqtt.requests import RequestDesk
from edged.mqtt.settings import EMBEDDED, MqttSettings, Version
from edged.mqtt.topics import Topics

log = logging.getLogger(__name__)

SESSION_S = 3600
"""Seconds for which the broker keeps requests for a box that is away."""
SHARED_KEEPALIVE_S = 5
"""The broker gives the share of a dead box to the others after one and a half of this."""
FLUSH_S = 2.0
"""Seconds that a stop waits for what is on its way."""
PATIENCE_S = 30.0
"""So long a request from the journal waits for the model of its service to be loaded."""


class MqttUnit:
    """A unit. `publish_...` never block, may be called from any thread, and before the broker is there."""

    def __init__(
        self,
        *,
        node: str,
        settings: MqttSettings,
        intake: Intake,
        counters: Counters,
        state_dir: Path,
        verbs: Mapping[str, Verb],
        info: Callable[[], list[ServiceFacts]],
        version: str,
    ) -> None:
        self._topics = Topics(node)
        self._info = info
        self._version = version
        self._journal = Journal(state_dir / "mqtt", counters)
        self._outbox = Outbox(self._journal, counters, settings.max_waiting_results, settings.window)
        self._requests = RequestDesk(
            self._topics,
            max_payload_bytes=settings.max_payload_bytes,
            intake=intake,
            journal=self._journal,
            outbox=self._outbox,
            counters=counters,
        )
        self._control = ControlDesk(self._topics, verbs, self._outbox, counters)
        self._main = Connection(settings, self._own_membership(settings), self._own_events())
        self._shared = Connection(
            settings, self._shared_membership(), Events(_ignore, _ignore, self._message)
        )
        self._shared_started = False
        self._carrier: Carrier | None = None
        self._stopping = threading.Event()
        self._resuming = threading.Thread(target=self._resume, name="mqtt-resume", daemon=True)
        self._left: list[tuple[int, Request]] = []

    def start(self) -> None:
        """Open the journal, work off what it holds, connect. The broker need not be there.

        Raises `ConfigError` when the journal cannot be opened.
        """
        self._journal.open()
        self._left = self._requests.load()
        if self._left:
            log.info("%d requests of the last run are worked off", len(self._left))
        self._outbox.state(self._topics.availability, b"online")
        self._outbox.start()
        self._resuming.start()
        self._main.start()

    def stop(self) -> None:
        """Take nothing more, send what can be sent in two seconds, say `offline`, disconnect."""
        self._stopping.set()
        self._requests.close()
        self._control.close()
        self._shared.stop()
        if self._carrier is not None:
            self._outbox.drained(FLUSH_S)
            self._outbox.state(self._topics.availability, b"offline")
            self._outbox.drained(FLUSH_S)
        self._main.stop()
        self._outbox.stop()
        self._journal.close()

    def state(self) -> str:
        """`running`, or why requests or results do not flow."""
        if (state := self._main.state()) != "running" or not self._shared_started:
            return state
        shared = self._shared.state()
        return shared if shared == "running" else f"requests to any node: {shared}"

    def beat(self) -> float:
        """The oldest sign of life of the connection and the sender."""
        return min(self._main.beat(), self._outbox.beat())

    def queued(self) -> int:
        """Messages that wait to be sent."""
        return self._outbox.queued()

    def publish_result(self, stream: str, service: str, body: bytes, *, retain: bool = False) -> None:
        """A stream message, encoded; an event is retained, so that who comes later finds the last one."""
        topic = self._topics.stream(stream, service)
        if retain:
            self._outbox.ring(topic, body, qos=1, retain=True)
        else:
            self._outbox.ring(topic, body)

    def forget_result(self, stream: str, service: str) -> None:
        """Take a retained stream message back from the broker."""
        self._outbox.forget(self._topics.stream(stream, service))

    def publish_snapshot(self, stream: str, captured_at: str, jpeg: bytes) -> None:
        """A picture of a stream; `captured_at` is ISO 8601."""
        topic = self._topics.snapshot(stream)
        self._outbox.latest(topic, jpeg, "image/jpeg", (("captured_at", captured_at),))

    def publish_stream_state(self, stream: str, state: StreamState) -> None:
        """Retained: how a stream is."""
        self._outbox.state(self._topics.stream_state(stream), _encoded(state))

    def publish_health(self, health: Health) -> None:
        """How the daemon is."""
        self._outbox.ring(self._topics.health, _encoded(health))

    def publish_info(self) -> None:
        """Retained: the services that are ready. Also published by itself at each connection."""
        if (carrier := self._carrier) is not None:
            info = Info(
                node=self._topics.node, version=self._version, mqtt=carrier.version, services=self._info()
            )
            self._outbox.state(self._topics.info, _encoded(info))

    def _own_membership(self, settings: MqttSettings) -> Membership:
        return Membership(
            client_id=f"edged-{self._topics.node}",
            topics=(self._topics.requests, self._topics.controls),
            keepalive=int(settings.keepalive),
            session_s=SESSION_S,
            versions=_versions(settings),
            will=self._topics.availability,
        )

    def _shared_membership(self) -> Membership:
        """Apart from our own: a persistent session would keep its share of the requests while we are away."""
        return Membership(
            client_id=f"edged-{self._topics.node}-any",
            topics=(self._topics.shared_requests,),
            keepalive=SHARED_KEEPALIVE_S,
            session_s=0,
            versions=("5",),
        )

    def _own_events(self) -> Events:
        return Events(self._up, self._lost, self._message, self._outbox.published)

    def _up(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self._outbox.connected(carrier)
        self.publish_info()
        if carrier.shares and not self._shared_started and not self._stopping.is_set():
            self._shared_started = True
            self._shared.start()

    def _lost(self, carrier: Carrier) -> None:
        self._outbox.lost(carrier)
        self._carrier = None

    def _message(self, message: MQTTMessage, ack: Callable[[], object]) -> None:
        if (service := self._topics.requested(message.topic)) is not None:
            self._requests.take(service, message, ack)
        elif (verb := self._topics.commanded(message.topic)) is not None:
            self._control.take(verb, message, ack)
        else:  # left in our session by an older version
            ack()

    def _resume(self) -> None:
        """Work off the journal, in order, as soon as the models are there."""
        patient_until = time.monotonic() + PATIENCE_S
        while self._left and not self._stopping.wait(0.05):
            ready = {facts.service for facts in self._info()}
            late = time.monotonic() > patient_until
            for entry in self._left.copy():
                if not late and entry[1].service not in ready:
                    continue
                if self._stopping.is_set() or not self._requests.resume(*entry):
                    break
                self._left.remove(entry)


def _versions(settings: MqttSettings) -> tuple[Version, ...]:
    if settings.version != "auto":
        return (settings.version,)
    return embedded_versions() if settings.url == EMBEDDED else ("5", "3.1.1")


def _encoded(message: BaseModel) -> bytes:
    return orjson.dumps(message.model_dump(by_alias=True))


def _ignore(_: Carrier) -> None:
    """The second connection only listens."""
