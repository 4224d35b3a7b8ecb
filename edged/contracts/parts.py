"""Options and results of parts: what models offer to other models, and nobody can request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field

from edged.contracts.face import FacesOptions
from edged.contracts.image import Floats
from edged.contracts.items import Pixels
from edged.contracts.model import Options


class FaceDetectionOptions(FacesOptions):
    """Options of face-detection."""

    iou_threshold: float = Field(gt=0, le=1)
    """Of two faces that overlap by more, only the better one is kept, 0 to 1."""


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """Result of face-detection: n faces, best score first."""

    boxes: Floats
    """[n, 4] f32: x1, y1, x2, y2 in pixels of the picture; may reach over its edges."""
    scores: Floats
    """[n] f32: 0 to 1."""
    landmarks: Floats
    """[n, 5, 2] f32: x, y in pixels of the picture: the eye on the left of the picture, the other eye, the
    tip of the nose, the corner of the mouth on the left of the picture, the other corner."""

    def __len__(self) -> int:
        """How many."""
        return len(self.scores)


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """Result of image-embedding."""

    vector: Floats
    """[d] f32 of length 1: pictures of the same thing have vectors that point the same way."""
    places: Floats | None = None
    """[rows, columns, d] f32: the same of places, of any length; none: the graph tells of the whole alone."""


@dataclass(frozen=True, slots=True, eq=False)
class Enlarged:
    """Result of picture-enlargement."""

    pixels: Pixels
    """[factor times height, factor times width, 3] u8, BGR."""


@dataclass(frozen=True, slots=True, eq=False)
class VoiceActivity:
    """Result of voice-activity."""

    probabilities: Floats
    """[n] f32, 0 to 1: that somebody speaks, for each window of 512 samples; the last may be shorter."""


@dataclass(frozen=True, slots=True, eq=False)
class SoundEvents:
    """Result of sound-events: what is heard, window by window."""

    probabilities: Floats
    """[n, classes] f32, 0 to 1, each class for itself. A last window that the clip does not fill counts."""
    names: Sequence[str]
    """Of the classes."""
    step_us: int
    """Microseconds from one window's beginning to the next; the first begins with the clip."""


class HearingOptions(Options):
    """Options of speech-understanding."""

    task: Literal["text", "english", "language", "states"]
    """What is wanted: what is said, the same in English, in which language, or how it sounds."""
    language: str = Field(min_length=2, max_length=4)
    """`text`, `english`: the language that is spoken, ISO 639-1; `auto`: the likeliest."""
    beam: int = Field(ge=1, le=5)
    """`text`, `english`: hypotheses that are followed at a time; 1 is greedy."""
    prompt: str = Field(max_length=4000)
    """`text`, `english`: what may have been said before; empty: what the card says of the language."""


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """Result of speech-understanding, for a clip of at most 30 s; what was not asked for is empty or none."""

    text: str = ""
    """As the model writes it, with punctuation; empty when nothing is said."""
    language: str = ""
    """In which it is said: that of the options, or the likeliest."""
    likelihood: float = 0.0
    """Mean logarithm of the probabilities of the text's tokens."""
    silence: float = 0.0
    """Probability that nobody speaks, 0 to 1."""
    languages: Mapping[str, float] = field(default_factory=dict)
    """Probability by language, ISO 639-1; their sum is 1."""
    states: Floats | None = None
    """[t, d] f32: states of the encoder in the spans in which somebody speaks, or of the whole clip when it
    names none."""
