"""The counts and events of the configuration: which units keep them, and what the broker retains of them."""

from collections.abc import Callable, Iterator
from functools import partial

from edged.actions.desk import ActionDesk
from edged.artefacts.store import ArtefactStore
from edged.config.settings import Config
from edged.core import Core
from edged.counts.calendar import Calendar, box_zone, zone_named
from edged.counts.chronicle import Chronicle
from edged.counts.desk import CountDesk
from edged.events.desk import EventDesk, Surroundings
from edged.flow.units import Wish
from edged.mqtt.topics import Topics
from edged.streams.pictures import EventPictures
from edged.streams.unit import StreamUnit


def counts_key(settings: Config) -> tuple[object, ...]:
    """What counts and events are made of; a stream that has some is made anew with them."""
    return (settings.node, settings.paths.state, settings.time_zone, settings.events)


def counts_wish(core: Core, settings: Config, store: Callable[[], ArtefactStore]) -> dict[str, Wish]:
    """The units, where something is counted or happens, or did: what was told must be taken back."""
    path = settings.paths.state / "counts" / "counts.db"
    wanted = settings.rules or settings.actions or any(stream.tracked for stream in settings.streams.values())
    if not (wanted or path.exists()):
        return {}
    key = counts_key(settings)
    return {
        "chronicle": Wish(settings.paths.state, partial(Chronicle, path, core.counters), order=4),
        "counts": Wish(key, partial(_counts, core, settings), order=5),
        "events": Wish(key, partial(_events, core, settings, store), order=6),
    }


def forget_retained(core: Core, settings: Config) -> None:
    """Have the broker forget the topics of lines, zones and rules that are gone."""
    if (events := core.units.get("events", EventDesk)) is not None:
        events.rules.keep_only(settings.rules)  # first: one that is gone must not be told again
    if (chronicle := core.units.get("chronicle", Chronicle)) is not None:
        core.telling.forget(chronicle.keep_only([*_retained(settings)]))


def _retained(settings: Config) -> Iterator[str]:
    topics = Topics(settings.node)
    yield from map(topics.rule, settings.rules)
    for name, stream in settings.streams.items():
        yield from (topics.place(name, "line", line) for line in stream.lines)
        yield from (topics.place(name, "zone", zone) for zone in stream.zones)


def calendar_of(settings: Config) -> Calendar:
    """By which days and hours are told."""
    return Calendar(box_zone() if settings.time_zone is None else zone_named(settings.time_zone))


def _counts(core: Core, settings: Config) -> CountDesk:
    return CountDesk(core.chronicle(), calendar_of(settings), core.telling.place)


def _events(core: Core, settings: Config, store: Callable[[], ArtefactStore]) -> EventDesk:
    around = Surroundings(
        counted=core.counts().entry,
        channel=core.telling.channel,
        heard=partial(_heard, core),
        snapshot=EventPictures(core.views, store, core.counters).take,
        record=partial(_recording, core),
    )
    return EventDesk(settings.node, settings.events, core.chronicle(), core.counters, around)


def _heard(core: Core) -> None:
    """There are new events, and there may be something to be done."""
    core.telling.heard()
    if (actions := core.units.get("actions", ActionDesk)) is not None:
        actions.wake()


def _recording(core: Core, stream: str) -> str | None:
    """The address of a recording of what a stream shows now; none: it is not recorded."""
    unit = core.units.get(f"stream/{stream}", StreamUnit)
    return unit.recordings.of_event() if unit is not None and unit.recordings is not None else None
