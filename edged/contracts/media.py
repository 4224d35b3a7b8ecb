"""How a request says where its media is."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from edged.contracts.described import Described

WHOLE_SENTENCE = "whole_sentence"
"""Type of a validation fault whose message is the answer as it stands."""

DIGITS = "^0*[1-9][0-9]*$"
"""Pattern of a whole number of at least 1 as a string."""
LONGEST_US = 10**18
"""Of a `play_duration`, microseconds."""


def whole_sentence(text: str) -> PydanticCustomError:
    """A fault that concerns several fields of a request."""
    return PydanticCustomError(WHOLE_SENTENCE, "{text}", {"text": text})


def _microseconds(value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < len(str(LONGEST_US)):
        value = int(value)
    if type(value) is int and 1 <= value < LONGEST_US:
        return value
    raise PydanticCustomError("microseconds", "it must be microseconds, 1 or more, as a number or as digits")


Microseconds = Annotated[
    int,
    PlainValidator(_microseconds),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": DIGITS, "maxLength": len(str(LONGEST_US)) - 1},
                {"type": "integer", "minimum": 1, "maximum": LONGEST_US - 1},
            ]
        }
    ),
]
"""A duration, at least 1: a whole number, or a string of its digits."""


class UrlInput(Described):
    """Media by URL: fetched by the box, within what `requests.fetch` of its configuration allows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(min_length=1, max_length=4096)
    """`https://...`, `http://...`, `file://...` or a path, `upload:...` of `POST /api/uploads`; other schemes
    where they are allowed."""


class MediaUrl(UrlInput):
    """A recording or a video by URL."""

    play_duration: Microseconds | None = None
    """Microseconds, as a number or as a string of digits: only so much of the beginning is looked at or
    listened to."""
