"""What people tell a running daemon to do: the verbs of `edged/<node>/control/<verb>`."""

import json
import os
import threading
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from edged.contracts.errors import BadRequest, ConfigError, EdgedError, NotFound, NotReady
from edged.contracts.spelling import hint
from edged.contracts.verb import Done, Verb
from edged.core import Core
from edged.media.ring import MOST_SECONDS
from edged.streams.unit import StreamUnit

OFF = "disabled by control/disable"
"""Why a stream that was switched off is offline."""

_FILE = "disabled.json"
_NAMES = TypeAdapter(frozenset[str])


class Switches:
    """Which streams are switched off. Safe from all threads.

    They are kept on disk, for a camera that was switched off must stay off: over restarts and reloads, and
    also when it leaves the configuration and comes back.
    """

    def __init__(self, folder: Path) -> None:
        """Read what is in `folder`. Raises `ConfigError` when it cannot be read: then no camera is opened."""
        self._path = folder / _FILE
        self._off = _read(self._path)
        self._lock = threading.Lock()

    def off(self) -> frozenset[str]:
        """The streams that are switched off."""
        return self._off

    def turn(self, stream: str, on: bool) -> bool:
        """Switch a stream; whether that changed anything. Raises `EdgedError` when it is not on disk."""
        with self._lock:
            off = self._off - {stream} if on else self._off | {stream}
            if off == self._off:
                return False
            self._off = off
            _write(self._path, off)
            return True

    def move(self, folder: Path) -> None:
        """Keep them in another folder from now on, with those that it holds already."""
        with self._lock:
            path = folder / _FILE
            if path == self._path:
                return
            off = self._off | _read(path)
            if off:
                _write(path, off)
            self._path, self._off = path, off


class Control:
    """All verbs but `reload`, which is the daemon's own."""

    def __init__(
        self,
        core: Core,
        switches: Switches,
        *,
        streams: Callable[[], Collection[str]],
        apply: Callable[[], None],
    ) -> None:
        """`streams` are those of the configuration; `apply` asks the daemon to make what runs what should."""
        self._core = core
        self._switches = switches
        self._streams = streams
        self._apply = apply

    def verbs(self) -> Mapping[str, Verb]:
        """By name."""
        return {
            "enable": self.enable,
            "disable": self.disable,
            "switch": self.switch,
            "snapshot": self.snapshot,
            "record": self.record,
            "cancel": self.cancel,
        }

    def enable(self, fields: dict[str, Any]) -> str:
        """`{"stream": "door"}`: let a stream run again."""
        return self._turn(self._named(fields), on=True)

    def disable(self, fields: dict[str, Any]) -> str:
        """`{"stream": "door"}`: close a stream's camera until `enable`, also over a restart."""
        return self._turn(self._named(fields), on=False)

    def switch(self, fields: dict[str, Any]) -> str:
        """`{"stream": "door", "enabled": false}`: as `disable`, or as `enable`."""
        fields = dict(fields)
        on = fields.pop("enabled", None)
        if not isinstance(on, bool):
            raise BadRequest("the field `enabled` must be true or false")
        return self._turn(self._named(fields), on=on)

    def snapshot(self, fields: dict[str, Any]) -> str:
        """`{"stream": "door"}`, or nothing for all streams: publish what it looks like now."""
        if _only(fields, "stream") is not None:
            name = self._named(fields)
            if not self._publish(name):
                why = f"it is {OFF}" if name in self._switches.off() else "it has no frame yet"
                raise NotReady(f"there is no picture of stream {name!r}: {why}")
            return f"a snapshot of stream {name!r} is published"
        shown = [name for name in self._streams() if self._publish(name)]
        if not shown:
            raise NotReady("no stream has a frame yet")
        return f"snapshots are published of {', '.join(shown)}"

    def record(self, fields: dict[str, Any]) -> Done:
        """`{"stream": "door", "seconds": 30}`: record it, for `record.after` where no length is said."""
        fields = dict(fields)
        length = _length(fields.pop("seconds", None))
        name = self._named(fields)
        unit = self._core.units.get(f"stream/{name}", StreamUnit)
        if unit is None:
            why = OFF if name in self._switches.off() else "not running"
            raise NotReady(f"stream {name!r} cannot be recorded: it is {why}")
        if unit.recordings is None:
            raise BadRequest(f"stream {name!r} is not recorded: set `streams.{name}.record`")
        address = unit.recordings.begin(length)
        return Done(f"stream {name!r} is recorded: {address}", address)

    def cancel(self, fields: dict[str, Any]) -> str:
        """`{"request_id": "r-1"}`: answer a request with 499, whether it waits or is in work."""
        request_id = _only(fields, "request_id")
        if not request_id:
            raise BadRequest('name the request: {"request_id": "..."}')
        self._core.cancel(request_id)
        return f"request {request_id!r} is answered 499, unless it was answered before"

    def _publish(self, name: str) -> bool:
        view = self._core.views.get(name)
        shot = view.shot() if view is not None else None
        if shot is not None:
            self._core.telling.snapshot(name, shot.captured_at, shot.jpeg)
        return shot is not None

    def _turn(self, name: str, on: bool) -> str:
        word = "on" if on else "off"
        try:
            changed = self._switches.turn(name, on)
        finally:
            self._apply()
        return (
            f"stream {name!r} is switched {word}"
            if changed
            else f"stream {name!r} is switched {word} already"
        )

    def _named(self, fields: dict[str, Any]) -> str:
        name = _only(fields, "stream")
        if name is None:
            raise BadRequest('name the stream: {"stream": "..."}')
        if name not in (known := self._streams()):
            meant = hint(name, known, f"there are {', '.join(known) or 'none'}")
            raise NotFound(f"no stream is called {name!r}; {meant}")
        return name


def _only(fields: dict[str, Any], known: str) -> str | None:
    """The one field that a verb knows. Raises `BadRequest` for any other."""
    if unknown := fields.keys() - {known}:
        raise BadRequest(f"the field {min(unknown)!r} is unknown; this verb knows `{known}`")
    value = fields.get(known)
    if value is not None and not isinstance(value, str):
        raise BadRequest(f"the field `{known}` must be a string")
    return value


def _length(seconds: Any) -> float | None:
    """Of a recording; none: none is said. Raises `BadRequest`."""
    if seconds is None:
        return None
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not 0 < seconds <= MOST_SECONDS:
        raise BadRequest(f"the field `seconds` must be a number over 0, {MOST_SECONDS:g} at most")
    return float(seconds)


def _read(path: Path) -> frozenset[str]:
    try:
        return _NAMES.validate_json(path.read_bytes())
    except FileNotFoundError:
        return frozenset()
    except (OSError, ValidationError) as error:
        raise ConfigError(
            f"{path} says which streams are switched off, but cannot be read: {_first_line(error)}; "
            'write a list of their names, e.g. ["door"], or remove it to let all of them run'
        ) from error


def _write(path: Path, off: Collection[str]) -> None:
    """At once or not at all: the power may go at any time."""
    new = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with new.open("w", encoding="utf-8") as file:
            json.dump(sorted(off), file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        raise EdgedError(
            f"it is done, but the next start will not know it, for {path} cannot be written: {error.strerror}"
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
