"""From a configuration to the units that it asks for: which parts there are, and who gets whom."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from edged import __version__
from edged.config import Config, StreamSettings
from edged.contracts.errors import NotReady
from edged.contracts.message import ServiceFacts, StreamState
from edged.discovery import Catalogue, discover
from edged.flow.counters import Counters
from edged.flow.units import Unit, Units, Wish
from edged.mqtt.broker import EmbeddedBroker
from edged.mqtt.link import MqttUnit
from edged.pipeline.frames import Feed
from edged.pipeline.outlet import Outlet, Sink
from edged.pipeline.requests import RequestQueue
from edged.pipeline.scheduler import Scheduler
from edged.pipeline.serve import ServiceUnit
from edged.pipeline.served import ServiceTable
from edged.pipeline.slot import DeviceSlot
from edged.repository.repository import Repository
from edged.streams.camera import CameraSource
from edged.streams.supervise import Supervisor

PACKAGED = Path(__file__).parent / "_plugins"
CHECKOUT = Path(__file__).parent.parent / "plugins"


def open_catalogue(settings: Config) -> Catalogue:
    """The models of all plugins: those that come with edged, the configured folders, installed packages."""
    own = PACKAGED if PACKAGED.is_dir() else CHECKOUT
    return discover([own, *settings.paths.plugins])


def open_repository(settings: Config, counters: Counters) -> Repository:
    """The models over the configured folder of weights, with one slot a device."""
    concurrency = settings.runtime.concurrency()
    slots: dict[str, DeviceSlot] = {}

    def slot_for(device: str) -> DeviceSlot:
        return slots.setdefault(device, DeviceSlot(concurrency.workers))

    models = open_catalogue(settings).models
    return Repository(settings.paths.models, models, concurrency, counters, slot_for)


def resolve_source(source: str, repository: Repository) -> str:
    """`models:<model>/<file>` as the path of that pulled file; any other source as it is."""
    if not source.startswith("models:"):
        return source
    model, _, name = source.removeprefix("models:").partition("/")
    return str(repository.file(model, name))


class StreamUnit:
    """A camera's supervisor and the lanes that it feeds, as one unit."""

    def __init__(self, feed: Feed, supervisor: Supervisor) -> None:
        self._feed = feed
        self._supervisor = supervisor

    def start(self) -> None:
        """Lanes first: a frame must find them."""
        self._feed.start()
        self._supervisor.start()

    def stop(self) -> None:
        """The camera first, then what is still in the lanes."""
        self._supervisor.stop()
        self._feed.stop()

    def state(self) -> str:
        """The camera's."""
        return self._supervisor.state()

    def beat(self) -> float:
        """The camera's."""
        return self._supervisor.beat()


class Wiring:
    """What lives as long as the process: counters, the table of services, the running units."""

    def __init__(
        self,
        counters: Counters,
        sinks: Iterable[Sink],
        verbs: dict[str, Callable[[dict[str, Any]], str]],
        services_changed: Callable[[], None],
    ) -> None:
        self.counters = counters
        self.table = ServiceTable()
        self.units = Units()
        self._sinks = (*sinks, self._publish_result)
        self._verbs = verbs
        self._services_changed = services_changed
        self._repository: tuple[Any, Repository] | None = None

    def wishes(self, settings: Config) -> dict[str, Wish]:
        """The units that this configuration asks for. A unit is made anew when what stands first changes."""
        base = (settings.node, settings.paths, settings.runtime)
        broker = (settings.mqtt, settings.paths.state)
        queue = (*base, settings.requests)
        wishes = {
            "requests": Wish(queue, lambda: self._requests(settings), order=20),
            "frames": Wish(base, lambda: Scheduler("frames", _workers(settings), self.counters), order=20),
            "mqtt": Wish((*queue, *broker), lambda: self._mqtt(settings), order=30),
        }
        if settings.mqtt.url == "embedded":
            wishes["broker"] = Wish(broker, lambda: EmbeddedBroker(*broker), order=0)
        for name in settings.wanted_services():
            wishes[f"service/{name}"] = Wish(
                (*base, settings.wanted_services()[name]), self._service(settings, name), order=10
            )
        for name, stream in settings.streams.items():
            wishes[f"stream/{name}"] = Wish((*base, stream), self._stream(settings, name, stream), order=40)
        return wishes

    def repository(self, settings: Config) -> Repository:
        """The repository; another one only when its settings change."""
        key = (settings.paths, settings.runtime)
        if self._repository is None or self._repository[0] != key:
            self._repository = (key, open_repository(settings, self.counters))
        return self._repository[1]

    def mqtt(self) -> MqttUnit | None:
        """The connection to the broker, while it runs."""
        return self.units.get("mqtt", MqttUnit)

    def queues(self) -> dict[str, int]:
        """Items waiting, by queue."""
        requests, frames = self.units.get("requests", RequestQueue), self.units.get("frames", Scheduler)
        return {**(requests.queued() if requests else {}), **(frames.queued() if frames else {})}

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

    def _requests(self, settings: Config) -> Unit:
        return RequestQueue(self.table, settings.requests, _workers(settings), self.counters)

    def _mqtt(self, settings: Config) -> Unit:
        intake = self.units.get("requests", RequestQueue)
        if intake is None:
            raise NotReady("the request queue does not run")
        return MqttUnit(
            node=settings.node,
            settings=settings.mqtt,
            intake=intake,
            counters=self.counters,
            state_dir=settings.paths.state,
            verbs=self._verbs,
            info=self.service_facts,
            version=__version__,
        )

    def _service(self, settings: Config, name: str) -> Callable[[], Unit]:
        wanted = settings.wanted_services()[name]
        return lambda: ServiceUnit(
            name, wanted, self.repository(settings), self.table, self._services_changed
        )

    def _stream(self, settings: Config, name: str, stream: StreamSettings) -> Callable[[], Unit]:
        def make() -> Unit:
            frames = self.units.get("frames", Scheduler)
            if frames is None:
                raise NotReady("the workers do not run")
            source = resolve_source(stream.source, self.repository(settings))
            camera = stream.model_copy(update={"source": source})
            feed = Feed(
                Outlet(settings.node, name, self._sinks, self.counters), stream.run, self.table, frames
            )
            supervisor = Supervisor(
                name,
                lambda: CameraSource(camera),
                feed.put,
                lambda state: self._publish_state(name, state),
                self.counters,
                fps=stream.gate.fps,
                stall_s=stream.stall_s,
            )
            return StreamUnit(feed, supervisor)

        return make

    def _publish_result(self, stream: str, service: str, body: bytes) -> None:
        if (mqtt := self.mqtt()) is not None:
            mqtt.publish_result(stream, service, body)

    def _publish_state(self, stream: str, state: StreamState) -> None:
        if (mqtt := self.mqtt()) is not None:
            mqtt.publish_stream_state(stream, state)


def _workers(settings: Config) -> int:
    """One more than infer at a time: it decodes while the others wait for the device."""
    return settings.runtime.concurrency().workers + 1
