"""What Home Assistant was told, kept on disk, so that what is gone is taken back, whoever told of it when.

An entity is gone when a message names its platform and nothing else of it; a message without it would leave
it there. A device is gone when its topic is emptied. Both are told again for a while, for the broker or Home
Assistant may have been away.
"""

import logging
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import orjson
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from edged.homeassistant.devices import Announcement

log = logging.getLogger(__name__)

GONE_S = 30 * 86400.0
"""So long it is told that something is gone."""


class ToldEntity(BaseModel):
    """An entity that Home Assistant was told of."""

    model_config = ConfigDict(frozen=True)

    platform: str
    gone: float | None = None
    """Seconds since the epoch: since when there is no such entity any more; none: there is."""


Told = Mapping[str, Mapping[str, ToldEntity]]
"""By topic of the device and key of the entity."""
Messages = Sequence[tuple[str, bytes]]
"""Topic and body, in their order; an empty one takes back what is retained there."""
_FILE = TypeAdapter(dict[str, dict[str, ToldEntity]])


def remembered(told: Told, devices: Sequence[Announcement], now: float) -> Told:
    """What is to be kept of what was told, when it shall be told of these devices from now on."""
    ends = {
        topic: {
            key: one if one.gone is not None else ToldEntity(platform=one.platform, gone=now)
            for key, one in entities.items()
            if one.gone is None or now - one.gone < GONE_S
        }
        for topic, entities in told.items()
    }
    there = {
        device.topic: {key: ToldEntity(platform=one["p"]) for key, one in device.components.items()}
        for device in devices
    }
    merged = {topic: {**ends.get(topic, {}), **there.get(topic, {})} for topic in {**ends, **there}}
    return {topic: entities for topic, entities in merged.items() if entities}


def messages(told: Told, devices: Sequence[Announcement]) -> dict[str, list[bytes]]:
    """By topic, in the order in which they must be told."""
    known = {device.topic for device in devices}
    empty = {topic: [b""] for topic in told if topic not in known}
    return empty | {device.topic: _about(device, told.get(device.topic, {})) for device in devices}


def _about(device: Announcement, told: Mapping[str, ToldEntity]) -> list[bytes]:
    gone = {key: one.platform for key, one in told.items() if one.gone is not None}
    before = [orjson.dumps(device.without(gone))] if gone else []
    return [*before, orjson.dumps(device.message())]


class Announcer:
    """Lives as long as the process. Safe from all threads."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._told: Told = {}
        self._messages: dict[str, list[bytes]] = {}
        self._lock = threading.Lock()

    def want(self, path: Path, devices: Sequence[Announcement], now: float) -> Messages:
        """From now on these devices, and no others; `path`: of the file. What must be told therefore."""
        with self._lock:
            if path != self._path:
                self._path, self._told = path, {**_read(path), **self._told}
            told = remembered(self._told, devices, now)
            if told != self._told:
                _write(path, told)
            self._told = told
            before, self._messages = self._messages, messages(told, devices)
            return _flat({at: said for at, said in self._messages.items() if said != before.get(at)})

    def all(self) -> Messages:
        """What a broker, or a Home Assistant, that knows nothing must be told."""
        with self._lock:
            return _flat(self._messages)


def _flat(by_topic: Mapping[str, Sequence[bytes]]) -> Messages:
    return [(topic, body) for topic, bodies in by_topic.items() for body in bodies]


def _read(path: Path) -> Told:
    try:
        return _FILE.validate_json(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValidationError) as error:
        why = str(error).partition("\n")[0]
        log.warning("%s cannot be read, so Home Assistant may keep what is gone: %s", path, why)
        return {}


def _write(path: Path, told: Told) -> None:
    """At once or not at all; before it is told, so that a kill forgets nothing."""
    new = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with new.open("wb") as file:
            file.write(_FILE.dump_json({topic: dict(entities) for topic, entities in told.items()}))
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        log.warning("%s cannot be written, so Home Assistant may keep what is gone: %s", path, error.strerror)
