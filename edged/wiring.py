"""From a configuration to the units that it asks for: which parts there are, and who gets whom."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from edged import __version__
from edged.config import Config, StreamSettings
from edged.contracts.errors import NotReady
from edged.contracts.message import ServiceFacts, StreamState
from edged.control import OFF, Verb
from edged.flow.counters import Counters
from edged.flow.units import Unit, Units, Wish
from edged.http.server import HttpUnit
from edged.http.sources import Sources
from edged.http.status import Status
from edged.mqtt.broker import EmbeddedBroker
from edged.mqtt.unit import MqttUnit
from edged.opening import make_opener, resolve_source
from edged.pipeline.clipbox import Waiting
from edged.pipeline.frames import Feed
from edged.pipeline.hearing import SoundFeed
from edged.pipeline.live import LiveViews
from edged.pipeline.outlet import Outlet, Sink, iso_utc
from edged.pipeline.requests import RequestQueue
from edged.pipeline.scheduler import Scheduler
from edged.pipeline.serve import ServiceUnit
from edged.pipeline.served import ServiceTable
from edged.repository.opener import Opener
from edged.status import status
from edged.streams.camera import CameraSource
from edged.streams.gates import Gate
from edged.streams.microphone import SoundSource
from edged.streams.supervise import Supervisor
from edged.streams.unit import OffStream, StreamUnit


class Wiring:
    """What lives as long as the process: counters, the table of services, live views, the running units."""

    def __init__(
        self,
        counters: Counters,
        sinks: Iterable[Sink],
        verbs: Callable[[], Mapping[str, Verb]],
        switched_off: Callable[[], frozenset[str]],
        services_changed: Callable[[], None],
    ) -> None:
        """`verbs` and `switched_off` (names of streams) are asked when units are made."""
        self.counters = counters
        self.table = ServiceTable()
        self.views = LiveViews()
        self.units = Units()
        self._waiting = Waiting()
        self.started_at = time.monotonic()
        self._sinks = (*sinks, self._publish_to_listeners)
        self._verbs = verbs
        self._switched_off = switched_off
        self._services_changed = services_changed
        self._states: dict[str, StreamState] = {}
        self._events: dict[tuple[str, str], bytes] = {}
        """The last message by stream and service, of those that the broker retains."""
        self._opener: tuple[Any, Opener] | None = None
        self._settings: Config | None = None

    def wishes(self, settings: Config) -> dict[str, Wish]:
        """The units that this configuration asks for. A unit is made anew when what stands first changes."""
        self._settings = settings
        base = (settings.node, settings.paths, settings.runtime)
        broker = (settings.mqtt, settings.paths.state)
        queue = (*base, settings.requests)
        wishes = {
            "requests": Wish(queue, lambda: self._requests(settings), order=20),
            "frames": Wish(base, lambda: Scheduler("frames", _workers(settings), self.counters), order=20),
            "mqtt": Wish((*queue, *broker), lambda: self._mqtt(settings), order=30),
        }
        if settings.http.listen is not None:
            wishes["http"] = Wish((*queue, settings.http), lambda: self._http(settings), order=30)
        if settings.mqtt.url == "embedded":
            wishes["broker"] = Wish(broker, lambda: EmbeddedBroker(*broker), order=0)
        for name in settings.wanted_services():
            wishes[f"service/{name}"] = Wish(
                (*base, settings.wanted_services()[name]), self._service(settings, name), order=10
            )
        off = self._switched_off()
        for name, stream in settings.streams.items():
            if name in off:
                tell = partial(self._publish_state, name)
                wishes[f"stream/{name}"] = Wish(OFF, partial(OffStream, OFF, tell), order=40)
            else:
                make = partial(self._stream, settings, name, stream)
                wishes[f"stream/{name}"] = Wish((*base, stream), make, order=40)
        return wishes

    def forget_events(self, settings: Config) -> None:
        """Take back from the broker the events of streams that are gone, off, or now tell every result."""
        off = self._switched_off()
        told = {(n, s) for n, stream in settings.streams.items() if n not in off for s in stream.events()}
        for gone in self._events.copy().keys() - told:
            del self._events[gone]
            if (mqtt := self.mqtt()) is not None:
                mqtt.publications.forget_result(*gone)

    def opener(self, settings: Config) -> Opener:
        """What opens the models; another one only when its settings change."""
        key = (settings.paths, settings.runtime)
        if self._opener is None or self._opener[0] != key:
            self._opener = (key, make_opener(settings, self.counters))
        return self._opener[1]

    def mqtt(self) -> MqttUnit | None:
        """The connection to the broker, while it runs."""
        return self.units.get("mqtt", MqttUnit)

    def http(self) -> HttpUnit | None:
        """The HTTP server, while it runs."""
        return self.units.get("http", HttpUnit)

    def queues(self) -> dict[str, int]:
        """Items waiting, by queue; of what goes out over MQTT, by what it is."""
        requests, frames = self.units.get("requests", RequestQueue), self.units.get("frames", Scheduler)
        waiting = (unit.queued() for unit in (requests, frames, self.mqtt()) if unit is not None)
        return {name: number for queues in waiting for name, number in queues.items()}

    def stream_states(self) -> dict[str, StreamState]:
        """The newest state of every stream, by name; those that left the configuration too."""
        return self._states.copy()

    def cancel(self, request_id: str) -> None:
        """Nobody waits for this request any more."""
        if (requests := self.units.get("requests", RequestQueue)) is not None:
            requests.cancel(request_id)

    def publish_snapshot(self, stream: str, captured_at: float, jpeg: bytes) -> None:
        """A picture sink: to the broker."""
        if (mqtt := self.mqtt()) is not None:
            mqtt.publications.snapshot(stream, iso_utc(captured_at), jpeg)

    def service_facts(self) -> list[ServiceFacts]:
        """The services that are ready."""
        return [
            ServiceFacts(
                service=served.service.name,
                model=served.instance.facts.name,
                variant=served.instance.facts.variant,
                device=served.instance.facts.device,
                schema=served.service.schema_id,
            )
            for served in self.table.ready()
        ]

    def status(self) -> Status:
        """How everything is, under the configuration that was applied last."""
        if self._settings is None:
            raise NotReady("no configuration is applied yet")
        return status(
            settings=self._settings,
            started_at=self.started_at,
            units=self.units,
            counters=self.counters,
            table=self.table,
            queues=self.queues(),
            states=self.stream_states(),
            off=self._switched_off(),
        )

    def _requests(self, settings: Config) -> Unit:
        return RequestQueue(self.table, settings.requests, _workers(settings), self.counters)

    def _intake(self) -> RequestQueue:
        intake = self.units.get("requests", RequestQueue)
        if intake is None:
            raise NotReady("the request queue does not run")
        return intake

    def _http(self, settings: Config) -> Unit:
        sources = Sources(
            version=__version__,
            intake=self._intake(),
            counters=self.counters,
            table=self.table,
            views=self.views,
            status=self.status,
            picture=settings.requests.picture,
        )
        return HttpUnit(settings.http, sources)

    def _mqtt(self, settings: Config) -> Unit:
        unit = MqttUnit(
            node=settings.node,
            settings=settings.mqtt,
            intake=self._intake(),
            counters=self.counters,
            state_dir=settings.paths.state,
            verbs=self._verbs(),
            info=self.service_facts,
            version=__version__,
        )
        for stream, state in self._states.copy().items():  # another broker, or one that forgot
            unit.publications.stream_state(stream, state)
        for (stream, service), body in self._events.copy().items():
            unit.publications.result(stream, service, body, retain=True)
        return unit

    def _service(self, settings: Config, name: str) -> Callable[[], Unit]:
        wanted = settings.wanted_services()[name]
        return lambda: ServiceUnit(name, wanted, self.opener(settings), self.table, self._services_changed)

    def _stream(self, settings: Config, name: str, stream: StreamSettings) -> Unit:
        frames = self.units.get("frames", Scheduler)
        if frames is None:
            raise NotReady("the workers do not run")
        source = resolve_source(stream.source, self.opener(settings).catalogue)
        opened = stream.model_copy(update={"source": source})
        to_broker: Sink = partial(self._publish_result, stream.events())
        sinks = (*self._sinks, to_broker)
        gone = threading.Event()

        def tell(state: StreamState) -> None:
            if not gone.is_set():  # else a thread that hung comes back after the end
                self._publish_state(name, state)

        def stopped() -> None:
            gone.set()
            self.views.remove(name)

        supervised = partial(Supervisor, name, on_state=tell, counters=self.counters, stall_s=stream.stall_s)
        if stream.listens:
            outlet = Outlet(settings.node, name, sinks, self.counters)
            ears = SoundFeed(
                outlet,
                stream.run,
                self.table,
                frames,
                stream.publish,
                waiting=self._waiting,
                voice_only=stream.gate.voice,
            )
            supervisor = supervised(
                lambda: SoundSource(name, opened, self.counters), ears.put, on_end=ears.end
            )
            return StreamUnit(ears, supervisor, stopped)
        view = self.views.add(name)
        outlet = Outlet(settings.node, name, sinks, self.counters, (self.publish_snapshot,), view)
        feed = Feed(outlet, stream.run, self.table, frames, stream.publish)
        supervisor = supervised(
            lambda: CameraSource(name, opened, self.counters),
            feed.put,
            gate=lambda: Gate(stream.gate).refusal,
        )
        return StreamUnit(feed, supervisor, stopped)

    def _publish_to_listeners(self, stream: str, service: str, body: bytes) -> None:
        """To whoever listens over HTTP."""
        if (http := self.http()) is not None:
            http.publish_result(stream, service, body)

    def _publish_result(self, events: frozenset[str], stream: str, service: str, body: bytes) -> None:
        """To the broker, which retains those of the services in `events`."""
        if service in events:
            self._events[stream, service] = body
        if (mqtt := self.mqtt()) is not None:
            mqtt.publications.result(stream, service, body, retain=service in events)

    def _publish_state(self, stream: str, state: StreamState) -> None:
        self._states[stream] = state
        if (mqtt := self.mqtt()) is not None:
            mqtt.publications.stream_state(stream, state)


def _workers(settings: Config) -> int:
    """One more than infer at a time: it decodes while the others wait for the device."""
    return settings.runtime.concurrency().workers + 1
