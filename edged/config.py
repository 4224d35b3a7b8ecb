"""config.yaml: composed of the settings that each floor owns; every fault is listed at once."""

import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from edged.actions.notify import notify_faults
from edged.actions.settings import ActionSettings
from edged.artefacts.settings import ArtefactSettings, UploadSettings
from edged.config_file import parsed, with_environment
from edged.contracts.errors import ConfigError, EdgedError
from edged.contracts.service import Service
from edged.contracts.services import SERVICES, service
from edged.contracts.settings import FOLDER, Seconds, Settings
from edged.counts.calendar import zone_named
from edged.credentials import credentials, environment
from edged.events.event_settings import EventSettings
from edged.events.settings import MOST_RULES, RuleSettings
from edged.http.settings import HttpSettings
from edged.media.source import is_device
from edged.mend import mended
from edged.mqtt.settings import MqttSettings
from edged.mqtt.topics import node_fault, place_fault, stream_fault
from edged.requests.settings import RequestSettings
from edged.runtimes.devices import RuntimeSettings
from edged.secrets import with_secrets
from edged.serving.table import option_faults
from edged.serving.unit import ServiceSettings
from edged.streams.camera import CameraSettings
from edged.streams.lane import RunSettings
from edged.streams.microphone import SCHEME, microphone_name
from edged.streams.place_faults import NEEDS, finds_objects, place_faults
from edged.streams.places import PlacesSettings
from edged.streams.recordings import RecordSettings
from edged.streams.rule import PublishSettings
from edged.streams.rule_faults import rule_faults, sees_objects

ANY_SOURCE = "rtsp://camera"
"""In the place of a source that is missing: it can feed whatever a stream may run."""
_USER_INFO = re.compile(r"://\S*@")
"""User and password in a URL; up to the last @, for a password may hold a / or an @."""


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
        return any(known.takes_sound for run in self.run if (known := _known(run.service)) is not None)

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

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str | None) -> str | None:
        return name if name is None else zone_named(name).key

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


def _name_faults(config: Config, actions: Collection[str]) -> Iterator[tuple[str, str]]:
    """Names that there are not and that do not fit, with the place of each. `actions`: faulty ones too."""
    if fault := node_fault(config.node):
        yield "node", fault
    for name, settings in config.services.items():
        yield from _service_faults(f"services.{name}", name, settings.options)
    for name, stream in config.streams.items():
        if fault := stream_fault(name):
            yield f"streams.{name}", fault
        for i, run in enumerate(stream.run):
            yield from _service_faults(f"streams.{name}.run.{i}", run.service, run.options)
            if fault := _run_fault(run.service, stream):
                yield f"streams.{name}.run.{i}", fault
        yield from ((f"streams.{name}.{at}", fault) for at, fault in _sound_faults(stream))
        yield from ((f"streams.{name}.{at}", fault) for at, fault in _place_faults(stream))
        if stream.record is not None and (fault := _record_fault(stream)):
            yield f"streams.{name}.record", fault
        if stream.detect_source is not None and (fault := _detect_fault(stream, stream.detect_source)):
            yield f"streams.{name}.detect_source", fault
    yield from ((f"rules.{name}", fault) for name in config.rules if (fault := place_fault(name)))
    yield from rule_faults(config.rules, config.streams, actions)
    yield from ((f"actions.{name}", fault) for name in config.actions if (fault := place_fault(name)))
    yield from ((f"actions.{name}.notify", fault) for name, fault in notify_faults(config.actions))


def _service_faults(where: str, name: str, options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    try:
        faults = option_faults(service(name), options)
    except EdgedError as error:
        yield where, str(error)
    else:
        yield from ((f"{where}.options.{at}", fault) for at, fault in faults.items())


def _known(name: str) -> Service | None:
    """A service that this version can run."""
    return SERVICES.get(name)


def _run_fault(name: str, stream: StreamSettings) -> str | None:
    """Why a service cannot run on a stream; none when it can, or when there is no such service."""
    known = _known(name)
    if known is None:
        return None
    if not known.on_cameras and not known.takes_sound:
        wants = {"text": "reads texts", "video": "watches videos"}.get(known.media, "compares two pictures")
        return f"{name} {wants}, so no stream can feed it; send requests to it"
    if known.on_cameras and microphone_name(stream.source) is not None:
        return f"{name} wants pictures, and the source is a microphone"
    if known.on_cameras and stream.listens:
        return f"{name} wants pictures, another service of this stream sound: make two streams of the source"
    return None


def _place_faults(stream: StreamSettings) -> Iterator[tuple[str, str]]:
    """Why objects of a camera cannot be followed or counted."""
    if stream.track and stream.tracked is None:
        yield "track", f"follows objects, and {NEEDS}"
    else:
        yield from place_faults(stream, stream.tracked, stream.gate)
    for kind, names in (("lines", stream.lines), ("zones", stream.zones)):
        yield from ((f"{kind}.{name}", fault) for name in names if (fault := place_fault(name)))


def _record_fault(stream: StreamSettings) -> str | None:
    """Why a stream cannot be recorded; none when it can."""
    if stream.listens:
        return "is for services that look; make another stream of the source for those that listen"
    if is_device(stream.source):
        return "is for cameras that send encoded video, and such a device gives bare pictures"
    return None


def _detect_fault(stream: StreamSettings, detect_source: str) -> str | None:
    """Why services cannot look at this instead of the source; none when they can."""
    if stream.listens:
        return "is for services that look, and those of this stream listen"
    if microphone_name(detect_source) is not None:
        return "is a microphone, and services that look want pictures"
    if stream.record is None:
        return "nothing would open `source`: set `record`, or name this as `source`"
    return None


def _sound_faults(stream: StreamSettings) -> Iterator[tuple[str, str]]:
    """Settings of pictures on a microphone, and the other way round."""
    if not stream.listens:
        if stream.gate.voice:
            yield "gate.voice", "is for services that listen, and those of this stream look"
        return
    for name in sorted(stream.gate.model_fields_set - {"voice"}):
        yield f"gate.{name}", "is for services that look, and those of this stream listen"
    for publish in (stream.publish, *(run.publish for run in stream.run if run.publish)):
        if publish.snapshot:
            yield "publish.snapshot", "there is no picture of sound"


def load(path: Path) -> Config:
    """Read config.yaml. Raises `ConfigError` that lists every fault with file, key and reason."""
    config, faults = examine(path)
    if config is None or faults:
        raise ConfigError(*faults)
    return config


def examine(path: Path) -> tuple[Config | None, list[str]]:
    """What is sound of config.yaml, none where nothing is, and every fault with file, key and reason.

    Raises `ConfigError` for what is no YAML.
    """
    inside = path.parent == Path(__file__).parent  # the one that comes in the wheel: write beside the user
    folder = Path.cwd() if inside else path.parent
    faults: dict[str, str] = {}
    known = environment(folder)
    tree = with_secrets(with_environment(parsed(path), "", known, faults), Config, folder, faults)
    actions = tree.get("actions") if isinstance(tree, dict) else None
    named = frozenset(actions if isinstance(actions, dict) else ())  # before those that are faulty go
    config = mended(Config, tree, {FOLDER: folder}, faults, {"source": ANY_SOURCE})
    if config is not None:
        config = config.following()
        for place, fault in _name_faults(config, named):
            faults.setdefault(place, fault)
        config = _anchored(config, folder)
    lines = (
        f"{place}: {line}" if place else line for place, fault in faults.items() for line in fault.split("\n")
    )
    return config, [located(path, line) for line in lines]


def credentials_of(path: Path) -> list[str]:
    """Names of the secrets that config.yaml wants of systemd. Raises `ConfigError` for what is no YAML."""
    return credentials(parsed(path))


def located(path: Path, fault: str) -> str:
    """A fault as it may be shown: with its file, without what a URL says of its user."""
    return f"{path}: {_USER_INFO.sub('://', fault)}"


def _anchored(config: Config, folder: Path) -> Config:
    paths = config.paths
    state = Path(os.environ.get("STATE_DIRECTORY", folder / paths.state))
    anchored = PathSettings(
        models=folder / paths.models,
        state=state,
        gallery=folder / paths.gallery,
        plugins=tuple(folder / p for p in paths.plugins),
    )
    streams = {
        name: stream.with_sources(partial(_anchored_source, folder=folder))
        for name, stream in config.streams.items()
    }
    return config.model_copy(update={"paths": anchored, "streams": streams})


def _anchored_source(source: str, folder: Path) -> str:
    """A relative path of a file starts at the folder of config.yaml; URLs, `models:` and `mic:` stay."""
    is_path = "://" not in source and not source.startswith(("models:", SCHEME))
    return str(folder / source) if is_path else source
