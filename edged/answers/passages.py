"""What is said in a recording, passage by passage."""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from edged.answers.fields import PUBLISHED, SCORE_DIGITS
from edged.answers.kind import Kind, State
from edged.contracts.languages import UNSPACED
from edged.contracts.speech import Clips
from edged.contracts.transcription import Passages, SpokenPassage, TranscriptionOptions

_SECOND = 1e6
_TIME_DIGITS = 3


@dataclass(frozen=True, slots=True)
class PassageFields:
    """What is said between two pauses."""

    __pydantic_config__ = PUBLISHED

    start: float
    """Seconds from the beginning."""
    end: float
    """Likewise."""
    text: str
    """With punctuation."""
    language: str
    """Code of the language that is spoken."""
    likelihood: float
    """Mean logarithm of the probabilities of its tokens."""
    silence: float
    """Probability that nobody speaks, 0 to 1."""


@dataclass(frozen=True, slots=True)
class PassagesFields:
    """Answer of transcription."""

    __pydantic_config__ = PUBLISHED

    text: str
    """All of it; empty: nothing is said."""
    language: str
    """Code of the language that is spoken longest; empty where nobody speaks."""
    seconds: float
    """Length of the recording."""
    passages: Sequence[PassageFields]
    """In their order."""


def _written(found: Clips[Passages], options: TranscriptionOptions) -> PassagesFields:
    passages = [passage for _, clip in found.results for passage in clip.passages]
    end_us = max((clip.end_us for _, clip in found.results), default=0)
    return PassagesFields(
        _joined(passages, in_english=options.task == "translate"),
        _language(passages),
        round(end_us / _SECOND, _TIME_DIGITS),
        [*map(_fields, passages)],
    )


def _fields(passage: SpokenPassage) -> PassageFields:
    return PassageFields(
        round(passage.start_us / _SECOND, _TIME_DIGITS),
        round(passage.end_us / _SECOND, _TIME_DIGITS),
        passage.text,
        passage.language,
        round(passage.likelihood, SCORE_DIGITS),
        round(passage.silence, SCORE_DIGITS),
    )


def _joined(passages: Sequence[SpokenPassage], *, in_english: bool) -> str:
    """With a space before each that is written in a language of words."""
    texts = (one.text if one.language in UNSPACED and not in_english else f" {one.text}" for one in passages)
    return "".join(texts).strip()


def _language(passages: Sequence[SpokenPassage]) -> str:
    lengths = defaultdict[str, int](int)
    for one in passages:
        lengths[one.language] += one.end_us - one.start_us
    return max(lengths, key=lambda code: lengths[code], default="")


def _gist(found: Clips[Passages], _: Any) -> Hashable:
    return tuple(one.text for _, clip in found.results for one in clip.passages) or State.SILENT


KIND = Kind(
    Passages,
    PassagesFields,
    write=_written,
    gist=_gist,
    shrink="send a shorter recording",
)
