"""What config.yaml may say: composed of the settings that each floor owns."""

from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import Field, field_validator

from edged.actions.settings import ActionSettings
from edged.artefacts.settings import ArtefactSettings, UploadSettings
from edged.contracts.service import Service
from edged.contracts.services import SERVICES
from edged.contracts.settings import Seconds, Settings
from edged.counts.calendar import zone_named
from edged.events.event_settings import EventSettings
from edged.events.settings import MOST_RULES, RuleSettings
from edged.grpc.settings import GrpcSettings
from edged.homeassistant.settings import HomeAssistantSettings
from edged.http.settings import HttpSettings
from edged.mqtt.settings import MqttSettings
from edged.requests.settings import RequestSettings
from edged.runtimes.devices import RuntimeSettings
from edged.serving.unit import ServiceSettings
from edged.streams.camera import CameraSettings
from edged.streams.lane import RunSettings
from edged.streams.place_faults import finds_objects
from edged.streams.places import PlacesSettings
from edged.streams.recordings import RecordSettings
from edged.streams.rule import PublishSettings
from edged.streams.rule_faults import sees_objects
from edged.wyoming.settings import WyomingSettings


def known_service(name: str) -> Service | None:
    """A service that this version can run."""
    return SERVICES.get(name)


class StreamSettings(PlacesSettings, CameraSettings):
    """A camera or a microphone and the services that it feeds."""

    run: tuple[RunSettings, ...] = Field(min_length=1)
    """Services by name; `{object-detection: {every: 2s, options: {...}, publish: {...}}}` to say more."""
    publish: PublishSettings = PublishSettings()
    """Which results are published."""
    track: bool | str = False
    """Follow objects from frame to frame, and tell the id of each. `true`, and wherever there are lines,
    zones, or a rule over `seen`: those of the first service that finds objects in boxes; or the name of a
    service."""
    record: RecordSettings | None = None
    """Cameras that send encoded video: the newest packets are held in memory, and what is published under
    `on: change`, or `control/record`, writes a recording into the store, as it came. `true`, or how much."""

    @field_validator("record", mode="before")
    @classmethod
    def _switch_record(cls, value: object) -> object:
        """`true` and `false` for the defaults and for none."""
        return {True: RecordSettings(), False: None}[value] if isinstance(value, bool) else value

    def with_sources(self, changed: Callable[[str], str]) -> "StreamSettings":
        """The same with other sources."""
        detect = self.detect_source
        return self.model_copy(
            update={
                "source": changed(self.source),
                "detect_source": None if detect is None else changed(detect),
            }
        )

    @property
    def listens(self) -> bool:
        """Whether its sound is wanted, not its pictures."""
        return any(known.takes_sound for run in self.run if (known := known_service(run.service)) is not None)

    @property
    def model(self) -> str | None:
        """Id of the model with which its source, a clip, is pulled; none for any other source."""
        return (
            self.source.removeprefix("models:").split("/")[0] if self.source.startswith("models:") else None
        )

    @property
    def tracked(self) -> RunSettings | None:
        """The service whose objects are followed; none: nothing is."""
        wanted = self.track or bool(self.lines or self.zones)
        named = (run for run in self.run if wanted in (True, run.service) and finds_objects(run.service))
        return next(named, None)

    @property
    def intervals(self) -> dict[str, float]:
        """Seconds from one result to the next at least, by service that does not look at every frame."""
        gate = 1 / self.gate.fps if self.gate.fps is not None else 0.0
        found = {run.service: max(run.every or 0.0, gate) for run in self.run}
        return {name: seconds for name, seconds in found.items() if seconds}

    def events(self) -> frozenset[str]:
        """The services of which only changes are published."""
        return frozenset(run.service for run in self.run if (run.publish or self.publish).on == "change")


class PathSettings(Settings):
    """Folders; relative ones start at the folder of config.yaml."""

    models: Path = Path("models")
    """The model repository."""
    state: Path = Path("state")
    """The request journal and the embedded broker's data; `$STATE_DIRECTORY` of systemd goes first."""
    gallery: Path = Path("gallery")
    """Pictures of the products that inventory-counting shall know: a folder with one sub-folder a SKU."""
    plugins: tuple[Path, ...] = ()
    """Folders of plugins, beside those that come with edged and those that are installed as packages."""


class Config(Settings):
    """The whole of config.yaml."""

    node: str = "edged"
    """Name of this box; part of every topic, so it must be unique at the broker."""
    paths: PathSettings = PathSettings()
    """Folders."""
    runtime: RuntimeSettings = RuntimeSettings()
    """Workers and threads."""
    mqtt: MqttSettings = MqttSettings()
    """The broker."""
    http: HttpSettings = HttpSettings()
    """Requests, metrics and the page over HTTP."""
    grpc: GrpcSettings = GrpcSettings()
    """KServe's protocol over gRPC, with the token and the longest request of `http`."""
    wyoming: WyomingSettings = WyomingSettings()
    """Speech to text for Home Assistant's voice."""
    services: Mapping[str, ServiceSettings] = Field(default_factory=dict)
    """What is served, by service; those that a stream feeds are added by themselves."""
    streams: Mapping[str, StreamSettings] = Field(default_factory=dict)
    """Cameras, by a name of your choice."""
    rules: Mapping[str, RuleSettings] = Field(default_factory=dict, max_length=MOST_RULES)
    """Rules over what streams show, by a name of your choice; docs/rules.md:
    `{queue: {when: {zone: door/till, count: ">= 4"}, for: 60s}}`."""
    actions: Mapping[str, ActionSettings] = Field(default_factory=dict)
    """What rules may have done, by a name of your choice: messages to phones, calls of webhooks."""
    requests: RequestSettings = RequestSettings()
    """Limits of requests."""
    artefacts: ArtefactSettings = ArtefactSettings()
    """Where videos are kept that requests and cameras leave."""
    uploads: UploadSettings = UploadSettings()
    """Recordings and videos that clients send ahead of their requests: `POST /api/uploads`."""
    events: EventSettings = EventSettings()
    """What happens before cameras and microphones, as it is kept."""
    time_zone: str | None = None
    """By which days and hours are counted, such as Europe/Berlin; none: the box's."""
    health_every: Seconds = 30.0
    """Seconds between two messages on `edged/<node>/health`."""
    homeassistant: HomeAssistantSettings | None = None
    """Home Assistant, at the same broker, finds the box and what its cameras see: docs/homeassistant.md.
    `true`, or how."""

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str | None) -> str | None:
        return name if name is None else zone_named(name).key

    @field_validator("homeassistant", mode="before")
    @classmethod
    def _switch_home(cls, value: object) -> object:
        """`true` and `false` for the defaults and for none."""
        return {True: HomeAssistantSettings(), False: None}[value] if isinstance(value, bool) else value

    def service(self, name: str) -> ServiceSettings:
        """How a service is fulfilled, also one that is not named."""
        return self.services.get(name, ServiceSettings())

    def rules_of(self, stream: str) -> dict[str, RuleSettings]:
        """The rules over a stream."""
        return {name: rule for name, rule in self.rules.items() if rule.stream == stream}

    def following(self) -> "Config":
        """The same, where each stream follows objects over which there is a rule."""
        followed = {
            name: stream.model_copy(update={"track": True})
            for name, stream in self.streams.items()
            if not stream.track and any(sees_objects(r, stream.run) for r in self.rules_of(name).values())
        }
        return self.model_copy(update={"streams": {**self.streams, **followed}})

    def wanted_services(self) -> dict[str, ServiceSettings]:
        """All services to serve, those that only a stream names too."""
        fed = [run.service for stream in self.streams.values() for run in stream.run]
        return {name: self.service(name) for name in dict.fromkeys([*self.services, *fed])}
