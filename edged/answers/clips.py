"""Answers to recordings: what was found in each clip, by the start of the clip."""

from collections.abc import Callable, Hashable
from typing import Any

import orjson

from edged.answers.kind import State
from edged.contracts.speech import Clips, ClipT


def by_start(found: Clips[ClipT], value: Callable[[ClipT], str | None]) -> dict[str, str]:
    """The value of each clip that has one, by its start in microseconds."""
    values = ((str(start_us), value(result)) for start_us, result in found.results)
    return {start: said for start, said in values if said is not None}


def beginning(found: Clips[ClipT]) -> str:
    """Start of the first clip, where an answer says what holds for all of them; of a recording it is `0`."""
    return str(found.results[0][0] if found.results else 0)


def gist_of(answer: dict[str, str]) -> Hashable:
    """What is said of the clips, whenever they began."""
    return tuple(answer.values()) or State.SILENT


def labelled(label: str) -> str:
    """The odd form that the original answers: a JSON document as a string, with a newline at its end."""
    return orjson.dumps({"class": label}).decode() + "\n"


def map_schema(description: str, pattern: str | None = None) -> dict[str, Any]:
    """JSON Schema of values by start."""
    value = {"type": "string", "description": description} | ({"pattern": pattern} if pattern else {})
    return {
        "type": "object",
        "description": "By the start of each clip in microseconds, as a string.",
        "patternProperties": {"^[0-9]+$": value},
        "additionalProperties": False,
        "minProperties": 1,
    }


LABELS = map_schema(
    'A JSON document with a newline at its end: `{"class":"label"}`.', r'^\{"class":"[^"]+"\}\n$'
)
