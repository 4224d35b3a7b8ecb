"""Options and results of the face services."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from edged.contracts.image import Floats, OutImage, PictureOptions
from edged.contracts.model import Options

Gender = Literal["male", "female"]
Emotion = Literal["Anger", "Disgust", "Fear", "Happiness", "Sadness", "Surprise", "Neutral"]


class FaceOptions(Options):
    """Options of every service that looks for faces."""

    score_threshold: float = Field(ge=0, le=1)
    """Faces that are less sure are left out, 0 to 1."""


class FacesOptions(FaceOptions):
    """Options of the services that take all faces of a picture."""

    max_faces: int = Field(ge=1, le=1000)
    """The best so many faces are kept."""


class EnhancementOptions(FacesOptions, PictureOptions):
    """Options of face-enhancement."""

    strength: float = Field(ge=0, le=1)
    """How much of the restored face replaces the face of the picture, 0 to 1."""


@dataclass(frozen=True, slots=True, eq=False)
class FaceSimilarity:
    """Result of face-similarity."""

    similarity: float
    """0 to 100: 100 is the same person, under 80 are different ones."""


@dataclass(frozen=True, slots=True, eq=False)
class FaceAttributes:
    """Result of face-attributes: n faces, best score first."""

    ages: Floats
    """[n]: years."""
    genders: Sequence[Gender]
    """[n]: the one that is more likely by the looks."""
    emotions: Sequence[Emotion]
    """[n]: the one that the face shows most likely."""
    boxes: Floats
    """[n, 4]: x1, y1, x2, y2 in pixels of the picture; may reach over its edges."""
    scores: Floats
    """[n]: 0 to 1."""
    size: tuple[int, int]
    """(height, width) of the picture, pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class EnhancedFaces(OutImage):
    """Result of face-enhancement: the picture with its faces restored."""

    boxes: Floats
    """[n, 4] of the faces that were found: x1, y1, x2, y2 in pixels of the picture."""
