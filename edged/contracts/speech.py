"""Request, options and result types of the speech services.

The host cuts a recording into clips; a model gives one result a clip. `Joined` says how the results of all
clips become the one answer.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import orjson
from pydantic import BaseModel, ConfigDict, Field, field_validator

from edged.contracts.errors import NotUsable
from edged.contracts.media import UrlInput
from edged.contracts.model import Options
from edged.contracts.result import RESULT, Vector


class SoundUrl(UrlInput):
    """A recording by URL: a file with sound, or a video with a sound track."""

    play_duration: int | None = None
    """Microseconds, as a number or as a string of digits: only so much of the beginning is listened to."""

    @field_validator("play_duration", mode="before")
    @classmethod
    def _digits(cls, value: object) -> object:
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len("9" * 18):
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and value <= 0:
            raise ValueError("must be more than 0 microseconds")
        return value


class SoundInput(BaseModel):
    """A request that names one recording."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    input: SoundUrl
    """Where the recording is."""


class RecognitionOptions(Options):
    """Options of speech recognition."""

    beam: int = Field(ge=1, le=5)
    """Hypotheses that are followed at a time; 1 is greedy, the quickest."""


class LabelOptions(Options):
    """Options of the services that label clips."""

    language: Literal["zh", "en"]
    """Language of the labels."""


class DetectionThreshold(LabelOptions):
    """Options of the services that say whether a clip holds something."""

    threshold: float = Field(gt=0, lt=1)
    """Score from which on the answer is yes, 0 to 1."""


class ClipResult(Protocol):
    """What a model says of one clip."""

    def value(self, options: Any) -> str | None:
        """As the answer has it; none: the clip is left out of the answer."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What is said in a clip."""

    __pydantic_config__ = RESULT

    texts: tuple[str, ...]
    """Short sentences without punctuation, in their order; none: nothing is said."""

    def value(self, options: RecognitionOptions) -> str | None:
        """The sentences, joined by `;`; a clip without any is left out."""
        return ";".join(self.texts) or None


@dataclass(frozen=True, slots=True)
class YesNo:
    """Whether a clip holds what the service looks for."""

    __pydantic_config__ = RESULT

    score: float
    """0 to 1."""

    def value(self, options: DetectionThreshold) -> str:
        """`是` or `否`, in English `Yes` or `No`."""
        yes, no = _YES_NO[options.language]
        return _labelled(yes if self.score >= options.threshold else no)


@dataclass(frozen=True, slots=True)
class SpeakerClass:
    """Who speaks in a clip."""

    __pydantic_config__ = RESULT

    female: float | None
    """Probability, 0 to 1; none: nobody speaks."""

    def value(self, options: LabelOptions) -> str | None:
        """`女` or `男`, in English `female` or `male`; a clip without a voice is left out."""
        if self.female is None:
            return None
        female, male = _SPEAKERS[options.language]
        return _labelled(female if self.female >= 0.5 else male)


@dataclass(frozen=True, slots=True)
class SpeechVector:
    """How a clip sounds."""

    __pydantic_config__ = RESULT

    mean: Vector
    """[d] f32: features, their mean over the time in which somebody speaks; [0] when nobody does."""
    seconds: float
    """So long somebody speaks; the weight of this clip in the whole."""

    def value(self, options: Options) -> str | None:
        """Unused: vectors are averaged, see `mean_vector`."""
        return None


_YES_NO = {"zh": ("是", "否"), "en": ("Yes", "No")}
_SPEAKERS = {"zh": ("女", "男"), "en": ("female", "male")}


def _labelled(label: str) -> str:
    """The odd form that the original answers: a JSON document as a string, with a newline at its end."""
    return orjson.dumps({"class": label}).decode() + "\n"


@dataclass(frozen=True, slots=True)
class Joined:
    """How the results of all clips become one answer."""

    join: Callable[[Sequence[tuple[int, Any]], Any], Any]
    """Of start in microseconds and result, in order of time, and the options. Raises `NotUsable`."""
    schema: Mapping[str, Any]
    """JSON Schema of the answer."""


def _by_start(results: Sequence[tuple[int, ClipResult]], options: Any) -> dict[str, str]:
    values = ((str(start_us), result.value(options)) for start_us, result in results)
    return {start: value for start, value in values if value is not None}


def _mean_vector(results: Sequence[tuple[int, SpeechVector]], options: Any) -> str:
    seconds = sum(result.seconds for _, result in results)
    if not seconds:
        raise NotUsable("nobody speaks in the recording of `input.url`, so there is no vector of it")
    mean = sum(result.mean * (result.seconds / seconds) for _, result in results if result.seconds)
    return ",".join(f"{value:.6g}" for value in np.asarray(mean).tolist())


def _map_schema(description: str, pattern: str | None = None) -> dict[str, Any]:
    value = {"type": "string", "description": description} | ({"pattern": pattern} if pattern else {})
    return {
        "type": "object",
        "description": "By the start of each clip in microseconds, as a string.",
        "patternProperties": {"^[0-9]+$": value},
        "additionalProperties": False,
    }


BY_START_TEXT = Joined(
    _by_start, _map_schema("Short sentences joined by `;`; `*` is a character outside of the vocabulary.")
)
BY_START_LABEL = Joined(
    _by_start,
    _map_schema(
        'A JSON document with a newline at its end: `{"class":"label"}`.', r'^\{"class":"[^"]+"\}\n$'
    ),
)
ONE_VECTOR = Joined(_mean_vector, {"type": "string", "description": "One vector: numbers joined by `,`."})
