"""What is said in a recording."""

from collections.abc import Hashable
from typing import Any

from edged.answers.clips import beginning, by_start, gist_of, map_schema
from edged.answers.kind import Kind
from edged.contracts.speech import Clips, Transcript

SCHEMA = map_schema(
    "Short sentences joined by `;`; `*` is a character outside of the vocabulary. Nobody speaks at all: "
    'an empty text at `"0"`.'
)


def _spoken(found: Clips[Transcript]) -> dict[str, str]:
    """A clip in which nothing is said is left out."""
    return by_start(found, lambda said: ";".join(said.texts) or None)


def _written(found: Clips[Transcript], _: Any) -> dict[str, str]:
    return _spoken(found) or {beginning(found): ""}


def _gist(found: Clips[Transcript], _: Any) -> Hashable:
    return gist_of(_spoken(found))


KIND = Kind(
    Transcript,
    SCHEMA,
    write=_written,
    gist=_gist,
    shrink="ask for a part of it with `play_duration`",
)
