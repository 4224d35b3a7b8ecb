"""Messages in, rows out: the last that each node has told. Knows no connection."""

import contextlib
import threading
from typing import Any

import orjson
from pydantic import ValidationError

from edged import __version__
from edged.contracts.message import Health, Info, StreamState
from edged.contracts.settings import worded
from edged.fleet.rows import STANDINGS, NodeRow, Told, row_of
from edged.mqtt.topics import told_by

_OLDER: dict[str, Any] = {"durability": "", "clock": "unknown"}
"""What the health of 0.1.0 does not tell."""


class Board:
    """Safe from all threads: messages come in one, and are looked at in another."""

    def __init__(self) -> None:
        self._nodes: dict[str, Told] = {}
        self._lock = threading.Lock()

    def take(self, topic: str, payload: bytes) -> None:
        """A message. An empty one takes back what was told; one that cannot be read is told of in the row."""
        if (found := told_by(topic)) is None:
            return
        node, what, stream = found
        name = f"state of {stream}" if stream else what
        with self._lock:
            told = self._nodes.setdefault(node, Told())
            told.unread.pop(name, None)
            try:
                _note(told, what, stream, payload)
            except (ValidationError, ValueError, TypeError) as error:
                told.unread[name] = f"{_why(error)}{_other_version(payload)}"
            if told.empty():
                del self._nodes[node]

    def rows(self) -> list[NodeRow]:
        """Of all nodes: who needs attention most first, then by name."""
        with self._lock:
            rows = [row_of(node, told) for node, told in self._nodes.items()]
        return sorted(rows, key=lambda row: (STANDINGS.index(row.standing), -len(row.attention), row.node))


def _note(told: Told, what: str, stream: str, payload: bytes) -> None:
    """Fields of newer versions are passed over, and those that older ones lack are taken as unknown."""
    match what:
        case "availability":
            told.availability = payload.decode() if payload else None
        case "info":
            told.info = None
            if payload:
                told.info = Info.model_validate(orjson.loads(payload), extra="ignore")
        case "health":
            told.health = None
            if payload:
                told.health = Health.model_validate({**_OLDER, **orjson.loads(payload)}, extra="ignore")
        case _:
            told.streams.pop(stream, None)
            if payload:
                told.streams[stream] = StreamState.model_validate(orjson.loads(payload), extra="ignore")


def _why(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {worded(first, ())}"
    return str(error)


def _other_version(payload: bytes) -> str:
    """Of edged, where it is the reason why a node is not understood."""
    with contextlib.suppress(ValueError, AttributeError):
        version = orjson.loads(payload).get("version")
        if isinstance(version, str) and version != __version__:
            return f" (it has edged {version}, this is {__version__})"
    return ""
