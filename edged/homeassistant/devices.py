"""The discovery messages of a box: one device for the node, and one for each camera and microphone.

Pure: what is known goes in, and by topic what Home Assistant shall be told comes out. The same always gives
the same, whatever was told before.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edged.homeassistant import entities
from edged.homeassistant.entities import Entity
from edged.homeassistant.names import identity, readable
from edged.homeassistant.settings import HomeAssistantSettings
from edged.mqtt.topics import Topics

ORIGIN = "edged"


@dataclass(frozen=True, slots=True)
class ShownRule:
    """A rule of a stream, as far as it is shown."""

    name: str
    is_moment: bool = False
    """It only has moments, no beginning and end."""
    is_of_many: bool = False
    """It holds for each of several by itself, such as each who stays for so long."""


@dataclass(frozen=True, slots=True)
class ShownStream:
    """A stream, as far as it is shown."""

    listens: bool = False
    """A microphone."""
    lines: Sequence[str] = ()
    zones: Mapping[str, bool] = field(default_factory=dict)
    """And whether visits to them are events."""
    rules: Sequence[ShownRule] = ()


@dataclass(frozen=True, slots=True)
class ShownBox:
    """A node with all that it shows."""

    node: str
    version: str
    """Of edged."""
    url: str | None = None
    """Of its page, where others can reach it."""
    streams: Mapping[str, ShownStream] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Announcement:
    """One discovery message."""

    topic: str
    about: Mapping[str, Any]
    """`dev`, `o`, and what holds for all of its entities."""
    components: Mapping[str, Mapping[str, Any]]
    """By key."""

    def message(self) -> dict[str, Any]:
        """What tells Home Assistant of it."""
        return {**self.about, "cmps": self.components}

    def without(self, gone: Mapping[str, str]) -> dict[str, Any]:
        """What tells it that these entities are gone: platforms by key. The device itself stays."""
        return {**self.about, "cmps": {key: {"p": platform} for key, platform in gone.items()}}


def devices(box: ShownBox, settings: HomeAssistantSettings) -> list[Announcement]:
    """All of them; the node first, which the others name."""
    topics = Topics(box.node, settings.prefix)
    streams = (_stream(box, topics, settings, name, stream) for name, stream in box.streams.items())
    return [_node(box, topics), *streams]


def _node(box: ShownBox, topics: Topics) -> Announcement:
    about = {"name": box.node, "model": "Edge inference", **_linked(box)}
    return _device(
        box, topics, (box.node,), about=about, availability=[_of_node(topics)], shown=entities.box(topics)
    )


def _stream(
    box: ShownBox, topics: Topics, settings: HomeAssistantSettings, name: str, stream: ShownStream
) -> Announcement:
    about = {
        "name": f"{box.node} {name}",
        "model": "Microphone" if stream.listens else "Camera",
        "via_device": _id(box.node),
    }
    there = {
        "topic": topics.stream_state(name),
        "value_template": "{{ 'online' if value_json.state == 'online' else 'offline' }}",
    }
    shown = (*_always(topics, name, stream), *_while_it_runs(topics, settings, name, stream))
    both = [_of_node(topics), there]
    return _device(box, topics, (box.node, name), about=about, availability=both, shown=shown)


def _always(topics: Topics, name: str, stream: ShownStream) -> Iterator[Entity]:
    """What is known also of a stream that is off."""
    shown = [entities.switch(topics, name), entities.state(topics, name)]
    shown += (entities.rule(rule.name, topics.rule(rule.name)) for rule in stream.rules if not rule.is_moment)
    for one in shown:
        yield Entity(one.key, one.ends, {**one.fields, "availability": [_of_node(topics)]})


def _while_it_runs(
    topics: Topics, settings: HomeAssistantSettings, name: str, stream: ShownStream
) -> Iterator[Entity]:
    share, events = settings.share, topics.event(name)
    if not stream.listens:
        yield entities.rate(topics, name)
    if "picture" in share and not stream.listens:
        yield from entities.picture(topics, name)
    for line in stream.lines:
        yield from entities.line(line, topics.place(name, "line", line))
        yield entities.crossing(line, events, share)
    for zone, has_events in stream.zones.items():
        yield entities.zone(zone, topics.place(name, "zone", zone))
        if has_events:
            yield entities.visit(zone, events, share)
    for rule in stream.rules:
        if rule.is_moment:
            yield entities.moment(rule.name, events, share)
        if rule.is_of_many:
            yield entities.each(rule.name, events, share)


def _device(
    box: ShownBox,
    topics: Topics,
    names: Sequence[str],
    *,
    about: Mapping[str, Any],
    availability: Sequence[Mapping[str, str]],
    shown: Iterable[Entity],
) -> Announcement:
    own, read = _id(*names), "_".join(map(readable, names))
    components = {
        one.key: {
            **one.fields,
            "unique_id": f"{own}_{one.key}",
            "default_entity_id": f"{one.platform}.{read}_{one.ends}",
        }
        for one in shown
    }
    common = {
        "dev": {"identifiers": [own], "manufacturer": ORIGIN, "sw_version": box.version, **about},
        "o": {"name": ORIGIN, "sw": box.version, **_linked(box, "url")},
        "availability": availability,
        "availability_mode": "all",
    }
    return Announcement(topics.discovery(own), common, components)


def _id(*names: str) -> str:
    return f"{ORIGIN}_{identity(*names)}"


def _of_node(topics: Topics) -> dict[str, str]:
    return {"topic": topics.availability}


def _linked(box: ShownBox, key: str = "configuration_url") -> dict[str, str]:
    return {} if box.url is None else {key: box.url}
