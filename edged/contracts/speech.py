"""Request, options and results of the speech services.

The host cuts a recording into clips; a model gives one result a clip, and the answer is written of all of
them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from pydantic import ConfigDict, Field

from edged.contracts.described import Described
from edged.contracts.image import Floats
from edged.contracts.media import MediaUrl
from edged.contracts.model import Options

ClipT = TypeVar("ClipT")


class SoundInput(Described):
    """A request that names one recording: a file with sound, or a video with a sound track."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: MediaUrl
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


@dataclass(frozen=True, slots=True, eq=False)
class Transcript:
    """What is said in a clip."""

    texts: tuple[str, ...]
    """Short sentences without punctuation, in their order; none: nothing is said."""


@dataclass(frozen=True, slots=True, eq=False)
class YesNo:
    """Whether a clip holds what the service looks for."""

    score: float
    """0 to 1."""


@dataclass(frozen=True, slots=True, eq=False)
class SpeakerClass:
    """Who speaks in a clip."""

    female: float | None
    """Probability, 0 to 1; none: nobody speaks."""


@dataclass(frozen=True, slots=True, eq=False)
class SpeechVector:
    """How a clip sounds."""

    mean: Floats
    """[d]: features, their mean over the time in which somebody speaks; [0] when nobody does."""
    seconds: float
    """So long somebody speaks; the weight of this clip in the whole."""


@dataclass(frozen=True, slots=True, eq=False)
class Clips(Generic[ClipT]):
    """Results of the clips of one recording, or of one clip of a stream, in order of time."""

    results: Sequence[tuple[int, ClipT]]
    """Start of the clip in the recording, or since the opening of the source, microseconds, and its
    result."""
