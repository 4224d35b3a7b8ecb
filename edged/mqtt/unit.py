"""The daemon's place at the broker, as one unit: connections, requests, control, everything published."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from edged.contracts.request import Intake
from edged.contracts.verb import Verb
from edged.flow.counters import Counters
from edged.mqtt.aside import Aside
from edged.mqtt.carrier import Carrier, Events
from edged.mqtt.connection import Connection
from edged.mqtt.control_desk import ControlDesk
from edged.mqtt.incoming import Incoming
from edged.mqtt.introduction import Introduction
from edged.mqtt.leftovers import Leftovers
from edged.mqtt.membership import as_itself, as_one_of_the_fleet
from edged.mqtt.outbox import Outbox
from edged.mqtt.publications import Publications
from edged.mqtt.request_desk import RequestDesk
from edged.mqtt.sender import Sender
from edged.mqtt.settings import MqttSettings
from edged.mqtt.topics import Topics
from edged.requests.journal import Durability, Journal

FLUSH_S = 2.0
"""Seconds that a stop waits for what is on its way."""


class MqttUnit:
    """A unit. Requests come in here; what goes out is left with `publications`."""

    def __init__(
        self,
        *,
        topics: Topics,
        settings: MqttSettings,
        intake: Intake,
        counters: Counters,
        state_dir: Path,
        verbs: Mapping[str, Verb],
        introduction: Introduction,
        durability: Durability = "process",
        born: Callable[[], object] | None = None,
    ) -> None:
        """`introduction`: what `info` says; `born`: called when Home Assistant starts."""
        self._topics = topics
        self._introduction = introduction
        self._journal = Journal(state_dir / "mqtt", counters, durability)
        self._journal.reopened = self._work_off
        aside = Aside(state_dir / "mqtt" / "aside", counters)
        self._outbox = Outbox(counters, settings.max_waiting_results)
        self._sender = Sender(self._outbox, self._journal, aside, counters, settings.window)
        self.publications = Publications(self._topics, self._outbox)
        self._requests = RequestDesk(
            self._topics,
            max_payload_bytes=settings.max_payload_bytes,
            intake=intake,
            journal=self._journal,
            outbox=self._outbox,
            counters=counters,
        )
        self._leftovers = Leftovers(self._requests)
        self._control = ControlDesk(self._topics, verbs, self._outbox, counters)
        fresh = self._requests.doubles.forget_packets
        incoming = Incoming(self._topics, self._requests, self._control, born)
        own = Events(self._up, self._lost, incoming.to_node, self._sender.published, fresh)
        self._main = Connection(settings, as_itself(self._topics, settings, incoming.heard), own)
        listens = Events(_ignore, _ignore, incoming.to_any)
        self._shared = Connection(settings, as_one_of_the_fleet(self._topics), listens)
        self._shared_started = False
        self._telling = threading.Lock()
        self._carrier: Carrier | None = None
        self._stopping = False

    def start(self) -> None:
        """Open the journal, work off what it holds, connect. The broker need not be there.

        Raises `ConfigError` when another process has the journal.
        """
        self._journal.open()
        self.publications.available(True)
        self._sender.start()
        self._leftovers.start()
        self._main.start()

    def stop(self) -> None:
        """Take nothing more, say `offline`, send what can be sent in two seconds, disconnect."""
        self._stopping = True
        self._leftovers.stop()
        self._requests.close()
        self._control.close()
        self._shared.stop()
        if self._carrier is not None:
            self.publications.available(False)  # true from now on: what comes is left to the next start
            self._sender.drained(FLUSH_S)
        self._main.stop()
        self._sender.stop()
        self._journal.close()

    def state(self) -> str:
        """`running`, or why requests or results do not flow."""
        if (state := self._main.state()) != "running" or not self._shared_started:
            return state
        shared = self._shared.state()
        return shared if shared == "running" else f"requests to any node: {shared}"

    def beat(self) -> float:
        """The oldest sign of life of the connection and the sender."""
        return min(self._main.beat(), self._sender.beat())

    def queued(self) -> dict[str, int]:
        """What waits for the broker, by what it is; and the requests of the last run that wait to be run."""
        waiting = {
            **self._outbox.waiting(),
            "unacknowledged": self._sender.unacknowledged(),
            "leftovers": len(self._leftovers),
        }
        return {f"mqtt/{name}": number for name, number in waiting.items()}

    def kept(self) -> str:
        """What a request survives once it is acknowledged: as `Journal.kept`."""
        return self._journal.kept()

    def publish_info(self) -> None:
        """Retained: the services that can be asked, for which requests to any node are taken from now on.

        Also published by itself at each connection.
        """
        with self._telling:  # who asks later tells later
            services = self._introduction.services()
            self._shared.follow(tuple(self._topics.shared_requests(one.service) for one in services))
            if (carrier := self._carrier) is not None:
                self.publications.info(self._introduction.info(self._topics.node, carrier.version, services))

    def _work_off(self) -> None:
        """The journal of the last run can be read at last."""
        self._sender.load()
        self._leftovers.start()

    def _up(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self._sender.connected(carrier)
        self.publish_info()
        if carrier.shares and not self._shared_started and not self._stopping:
            self._shared_started = True
            self._shared.start()

    def _lost(self, carrier: Carrier) -> None:
        self._sender.lost(carrier)
        self._carrier = None


def _ignore(_: Carrier) -> None:
    """The second connection only listens."""
