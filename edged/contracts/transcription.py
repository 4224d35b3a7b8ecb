"""Request, options and result of what `/v1/audio/transcriptions` and Wyoming ask for."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field

from edged.contracts.described import Described
from edged.contracts.languages import AUTO, LANGUAGES
from edged.contracts.media import whole_sentence
from edged.contracts.model import Options


def _spoken(code: str) -> str:
    if code not in LANGUAGES and code != AUTO:
        raise whole_sentence(f"the field `language` must be the code of a language, not {code[:20]!r}")
    return code


class BroughtSound(Described):
    """A request with which its recording comes along."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TranscriptionOptions(Options):
    """Options of transcription."""

    language: Annotated[str, AfterValidator(_spoken)]
    """Code of the language that is spoken, or `auto`: the one that is heard."""
    task: Literal["transcribe", "translate"]
    """`translate`: what is said is written in English."""
    prompt: str = Field(max_length=4000)
    """What may have been said before: names, spelling, style. Its end counts."""
    beam: int = Field(ge=1, le=5)
    """Hypotheses that are followed at a time; 1 is greedy, the quickest."""


@dataclass(frozen=True, slots=True)
class SpokenPassage:
    """What is said between two pauses."""

    start_us: int
    """Its first voice, microseconds from the beginning of the recording."""
    end_us: int
    """Its last voice, likewise."""
    text: str
    """With punctuation."""
    language: str
    """Code of the language that is spoken."""
    likelihood: float
    """Mean logarithm of the probabilities of its tokens."""
    silence: float
    """Probability that nobody speaks, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Passages:
    """What is said in a clip."""

    passages: tuple[SpokenPassage, ...]
    """In their order; none: nothing is said."""
    end_us: int
    """Where the clip ends, microseconds from the beginning of the recording."""
