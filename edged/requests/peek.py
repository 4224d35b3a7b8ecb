"""What can be had cheaply of a payload that nobody has checked: enough to address a refusal."""

import re

import orjson

PARSED_BYTES = 1_000_000
"""A longer payload is not parsed for the sake of a refusal: its id is looked for near its ends."""
_ENDS = 4096
_FIELD = re.compile(rb'"(request_id|reply_to)"\s*:\s*("(?:[^"\\]|\\.){1,1000}")')


_TIMEOUT = re.compile(rb'"timeout_s"\s*:\s*([0-9]{1,5}(?:\.[0-9]{0,9})?)\s*[,}]')


def peek_timeout(payload: bytes) -> float | None:
    """`timeout_s` of a payload that nobody has checked, looked for near its ends: microseconds, whatever its
    size."""
    found = _TIMEOUT.search(payload, 0, _ENDS) or _TIMEOUT.search(payload, max(0, len(payload) - _ENDS))
    return float(found[1]) or None if found else None


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
