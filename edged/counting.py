"""The counts of the configuration: which unit keeps them, and which lines and zones there are."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from edged.config import Config, StreamSettings
from edged.core import Core
from edged.counts.book import Kind, PlaceKey
from edged.counts.calendar import Calendar, box_zone, zone_named
from edged.counts.desk import CountDesk
from edged.flow.units import Wish


def counts_key(settings: Config) -> tuple[object, ...]:
    """What the counts are made of; a stream that counts is made anew with them."""
    return (settings.paths.state, settings.time_zone)


def counts_wish(core: Core, settings: Config) -> dict[str, Wish]:
    """The unit, where something is counted, or was: what was told of it must be taken back."""
    path = settings.paths.state / "counts" / "counts.db"
    if not path.exists() and all(stream.tracked is None for stream in settings.streams.values()):
        return {}
    return {"counts": Wish(counts_key(settings), partial(_desk, core, settings, path), order=5)}


def forget_places(core: Core, settings: Config) -> None:
    """Have the broker forget the lines and zones that are gone; all others it retains."""
    if (counts := core.units.get("counts", CountDesk)) is not None:
        core.telling.forget_places(counts.keep_only(_places(settings)))


def _places(settings: Config) -> list[PlaceKey]:
    """All lines and zones of the configuration."""
    return [
        PlaceKey(settings.node, name, kind, place)
        for name, stream in settings.streams.items()
        for kind, place in _named(stream)
    ]


def _named(stream: StreamSettings) -> Iterator[tuple[Kind, str]]:
    for line in stream.lines:
        yield "line", line
    for zone in stream.zones:
        yield "zone", zone


def calendar_of(settings: Config) -> Calendar:
    """By which days and hours are told."""
    return Calendar(box_zone() if settings.time_zone is None else zone_named(settings.time_zone))


def _desk(core: Core, settings: Config, path: Path) -> CountDesk:
    return CountDesk(path, calendar_of(settings), core.counters, core.telling.place)
