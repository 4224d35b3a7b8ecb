"""Options and result types of the face services, and of those that give a picture back."""

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from edged.contracts.model import Options
from edged.contracts.result import RESULT


class FaceOptions(Options):
    """Options of every service that looks for faces."""

    score_threshold: float = Field(ge=0, le=1)
    """Faces that are less sure are left out, 0 to 1."""


class FacesOptions(FaceOptions):
    """Options of the services that take all faces of a picture."""

    max_faces: int = Field(ge=1, le=1000)
    """The best so many faces are kept."""


class PictureOptions(Options):
    """Options of the services that give a picture back."""

    image_format: Literal["jpeg", "png"]
    """How `out_image` is encoded: `jpeg` is several times shorter, `png` loses nothing."""


class EnhancementOptions(FacesOptions, PictureOptions):
    """Options of face-enhancement."""

    strength: float = Field(ge=0, le=1)
    """How much of the restored face replaces the face of the picture, 0 to 1."""


@dataclass(frozen=True, slots=True)
class FaceSimilarity:
    """Answer of face-similarity."""

    __pydantic_config__ = RESULT

    similarity: int
    """0 to 100: 100 is the same person, under 80 are different ones."""


@dataclass(frozen=True, slots=True)
class FaceAttributes:
    """Answer of face-attributes: every list has one entry a face, best score first; all may be empty."""

    __pydantic_config__ = RESULT

    face_age: list[float]
    """[n]: estimated age, years."""
    face_gender: list[Literal["male", "female"]]
    """[n]: the gender that is more likely by the looks."""
    face_emo: list[Literal["Anger", "Disgust", "Fear", "Happiness", "Sadness", "Surprise", "Neutral"]]
    """[n]: the emotion that the face shows most likely."""
    face_bbox: list[list[float]]
    """[n, 5]: left, top, right, bottom (x1, y1, x2, y2) in pixels of the original upright picture, and
    score, 0 to 1."""


@dataclass(frozen=True, slots=True)
class OutImage:
    """Answer of the services that give a picture back."""

    __pydantic_config__ = RESULT

    out_image: str
    """Base64 of the encoded picture, of the size of the original upright one."""
