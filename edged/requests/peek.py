"""What can be had cheaply of a payload that nobody has checked: enough to address a refusal."""

import re

import orjson

PARSED_BYTES = 1_000_000
"""A longer payload is not parsed for the sake of a refusal: its id is looked for near its ends."""
_ENDS = 4096
_FIELD = re.compile(rb'"(request_id|reply_to)"\s*:\s*("(?:[^"\\]|\\.){1,1000}")')


def peek(payload: bytes) -> dict[str, str]:
    """`request_id` and `reply_to` of a payload that nobody has checked, where they can be had cheaply."""
    if len(payload) <= PARSED_BYTES:
        try:
            fields = orjson.loads(payload)
        except orjson.JSONDecodeError:
            fields = None
        found = fields if isinstance(fields, dict) else {}
    else:
        ends = payload[:_ENDS] + b"\n" + payload[-_ENDS:]
        found = {name.decode(): _text(literal) for name, literal in _FIELD.findall(ends)}
    named = {name: found.get(name) for name in ("request_id", "reply_to")}
    return {name: value for name, value in named.items() if isinstance(value, str) and value}


def _text(literal: bytes) -> str | None:
    try:
        text: str = orjson.loads(literal)
    except orjson.JSONDecodeError:
        return None
    return text
