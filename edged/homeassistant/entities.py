"""Entities of Home Assistant, one function a kind: pure, from names and topics to what discovery says of it.

Templates are Jinja as Home Assistant runs it: `value_json` is the message, `this` the entity as it was
before. A template that gives `None` says that nobody knows; one that gives an event nothing, that it was
another one's.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from edged.homeassistant.names import identity, quoted, readable
from edged.homeassistant.settings import Share
from edged.mqtt.topics import Topics

TOTAL, NOW = "total_increasing", "measurement"
DIAGNOSTIC = "diagnostic"
_BESIDE: Mapping[Share, str] = {"text": "text", "picture": "snapshot", "recording": "recording"}
"""The field of an event that needs a switch."""


@dataclass(frozen=True, slots=True)
class Entity:
    """One entity of a device."""

    key: str
    """Of `cmps`, and the end of its `unique_id`: `[A-Za-z0-9_-]`."""
    ends: str
    """What people read: the end of its entity id."""
    fields: Mapping[str, Any]
    """What discovery says of it, but for its ids."""

    @property
    def platform(self) -> str:
        """`sensor`, `switch`, ..."""
        return str(self.fields["p"])


def entity(key: str, platform: str, name: str, ends: str | None = None, **fields: Any) -> Entity:
    """One that is called so beside its device."""
    return Entity(key, ends or readable(name), {"p": platform, "name": name, **fields})


def line(name: str, topic: str) -> Iterator[Entity]:
    """How many crossed a line: in all, which never falls, and today, which begins anew at midnight."""
    for way in ("in", "out"):
        at = f"value_json['{way}']"
        key, ends = f"line_{identity(name)}_{way}", f"{readable(name)}_{way}"
        of_all = {"state_topic": topic, "value_template": f"{{{{ {at} }}}}", "state_class": TOTAL}
        yield entity(key, "sensor", f"{name} {way}", ends, **of_all)
        today = f"value_json.today['{way}'] if value_json.today else none"
        of_today = {**of_all, "value_template": f"{{{{ {today} }}}}"}
        yield entity(f"{key}_today", "sensor", f"{name} {way} today", f"{ends}_today", **of_today)


def zone(name: str, topic: str) -> Entity:
    """How many are in a zone."""
    return entity(
        f"zone_{identity(name)}",
        "sensor",
        name,
        readable(name),
        state_topic=topic,
        value_template="{{ value_json.count }}",
        state_class=NOW,
        json_attributes_topic=topic,
        json_attributes_template=_attributes("by_class", "longest_since"),
    )


def rule(name: str, topic: str) -> Entity:
    """Whether a rule holds. It says by itself that nobody knows, so it is there while its camera is not."""
    state = "none if value_json.active is none else 'ON' if value_json.active else 'OFF'"
    return entity(
        f"rule_{identity(name)}",
        "binary_sensor",
        name,
        readable(name),
        state_topic=topic,
        value_template=f"{{{{ {state} }}}}",
        json_attributes_topic=topic,
        json_attributes_template=_attributes("since"),
    )


def crossing(name: str, topic: str, share: Collection[Share]) -> Entity:
    """Somebody crosses a line."""
    return _event("line", name, topic, {"in": "in", "out": "out"}, share)


def visit(name: str, topic: str, share: Collection[Share]) -> Entity:
    """Somebody comes into a zone, and leaves it."""
    return _event("zone", name, topic, {"begin": "entered", "end": "left"}, share)


def moment(name: str, topic: str, share: Collection[Share]) -> Entity:
    """A rule for what is over at once."""
    return _event("rule", name, topic, {"once": "happened"}, share)


def each(name: str, topic: str, share: Collection[Share]) -> Entity:
    """A rule that holds for each of several by itself."""
    return _event("rule", name, topic, {"begin": "began", "end": "ended"}, share)


def _event(kind: str, name: str, topic: str, types: Mapping[str, str], share: Collection[Share]) -> Entity:
    """Of all events of a stream those of one line, zone or rule; one that comes again is none.

    `types`: what Home Assistant calls them, of lines by the direction, else by the phase.
    """
    by = "direction" if kind == "line" else "phase"
    fields = ["id", "class", "began_at", *(field for what, field in _BESIDE.items() if what in share)]
    said = ", ".join(f"'{field}': value_json.get('{field}')" for field in fields)
    is_it = f"value_json.event == '{kind}' and value_json.{kind} == {quoted(name)}"
    told = "(this.attributes.get('id'), this.attributes.get('event_type'))"
    template = (
        f"{{% set type = {types}.get(value_json.{by}) %}}"
        f"{{% if {is_it} and type and {told} != (value_json.id, type) %}}"
        f"{{{{ {{'event_type': type, {said}}} | to_json }}}}{{% endif %}}"
    )
    return entity(
        f"{kind}_{identity(name)}_event",
        "event",
        name,
        readable(name),
        state_topic=topic,
        value_template=template,
        event_types=list(types.values()),
    )


def picture(topics: Topics, stream: str) -> Iterator[Entity]:
    """What a camera looks like, and a button that asks for it."""
    yield entity(
        "picture", "image", "Picture", image_topic=topics.snapshot(stream), content_type="image/jpeg"
    )
    yield entity(
        "take_picture",
        "button",
        "Take a picture",
        command_topic=topics.control("snapshot"),
        payload_press=orjson.dumps({"stream": stream}).decode(),
    )


def switch(topics: Topics, stream: str) -> Entity:
    """Whether a stream runs."""
    on, off = (orjson.dumps({"stream": stream, "enabled": enabled}).decode() for enabled in (True, False))
    return entity(
        "enabled",
        "switch",
        "Enabled",
        command_topic=topics.control("switch"),
        payload_on=on,
        payload_off=off,
        qos=1,
        state_topic=topics.stream_state(stream),
        value_template="{{ 'on' if value_json.enabled else 'off' }}",
        state_on="on",
        state_off="off",
    )


def state(topics: Topics, stream: str) -> Entity:
    """How a stream is, and why."""
    topic = topics.stream_state(stream)
    return entity(
        "state",
        "sensor",
        "State",
        state_topic=topic,
        value_template="{{ value_json.state }}",
        device_class="enum",
        options=["online", "stalled", "offline"],
        entity_category=DIAGNOSTIC,
        json_attributes_topic=topic,
        json_attributes_template=_attributes("why", "recordings"),
    )


def rate(topics: Topics, stream: str) -> Entity:
    """Frames a second."""
    return entity(
        "fps",
        "sensor",
        "Frames per second",
        state_topic=topics.stream_state(stream),
        value_template="{{ value_json.fps }}",
        unit_of_measurement="fps",
        state_class=NOW,
        entity_category=DIAGNOSTIC,
    )


def box(topics: Topics) -> Iterator[Entity]:
    """How the node is."""
    faulty = "value_json.units.items() | rejectattr(1, 'eq', 'running') | rejectattr(0, 'match', 'stream/')"
    yield entity(
        "problem",
        "binary_sensor",
        "Problem",
        state_topic=topics.health,
        value_template=f"{{{{ 'ON' if {faulty} | list else 'OFF' }}}}",
        device_class="problem",
        entity_category=DIAGNOSTIC,
        json_attributes_topic=topics.health,
        json_attributes_template=f"{{{{ {{'why': dict({faulty})}} | to_json }}}}",
    )
    yield entity(
        "uptime",
        "sensor",
        "Uptime",
        state_topic=topics.health,
        value_template="{{ value_json.uptime_s | round }}",
        device_class="duration",
        unit_of_measurement="s",
        state_class=NOW,
        entity_category=DIAGNOSTIC,
    )
    waiting = "value_json.queues.items() | rejectattr(0, 'match', 'mqtt/') | map(attribute=1) | sum"
    yield entity(
        "waiting",
        "sensor",
        "Waiting requests",
        state_topic=topics.health,
        value_template=f"{{{{ {waiting} }}}}",
        state_class=NOW,
        entity_category=DIAGNOSTIC,
    )
    yield entity(
        "services",
        "sensor",
        "Ready services",
        state_topic=topics.info,
        value_template="{{ value_json.services | selectattr('state', 'eq', 'ready') | list | length }}",
        state_class=NOW,
        entity_category=DIAGNOSTIC,
    )


def _attributes(*fields: str) -> str:
    """These fields of a message, and no others."""
    said = ", ".join(f"'{field}': value_json.get('{field}')" for field in fields)
    return f"{{{{ {{{said}}} | to_json }}}}"
