"""Events as they come in, bounded: the package's own reader takes as many bytes as a stranger says."""

import asyncio

from wyoming.event import Event

from edged.contracts.errors import BadRequest
from edged.requests.parse import json_object

MOST_DATA = 65_536
"""Bytes of an event's fields."""
MOST_PAYLOAD = 1_000_000
"""Bytes of sound in one event: some ten seconds."""


async def read_event(reader: asyncio.StreamReader) -> Event | None:
    """The next one; none at the end. Raises `BadRequest` for what is no event, or too large.

    A line of JSON, then `data_length` bytes of more fields, then `payload_length` bytes.
    """
    try:
        line = await reader.readline()
        if not line:
            return None
        head = json_object(line, "an event of Wyoming")
        fields = await reader.readexactly(_length(head, "data_length", MOST_DATA))
        payload = await reader.readexactly(_length(head, "payload_length", MOST_PAYLOAD))
    except asyncio.IncompleteReadError:
        return None
    except ValueError as error:  # a line without an end
        raise BadRequest("this is no event of Wyoming: its line is too long") from error
    kind, data = head.get("type"), head.get("data") or {}
    if not isinstance(data, dict) or not isinstance(kind, str):
        raise BadRequest("this is no event of Wyoming: it wants `type`, and `data` is an object")
    more = json_object(fields or b"{}", "an event of Wyoming")
    return Event(kind, {**data, **more}, payload or None)


def _length(head: dict[str, object], name: str, most: int) -> int:
    length = head.get(name) or 0
    if not isinstance(length, int) or not 0 <= length <= most:
        raise BadRequest(f"this is no event of Wyoming: `{name}` must be a number of at most {most}")
    return length
