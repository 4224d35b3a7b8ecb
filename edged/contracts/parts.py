"""Options and result types of parts: what models offer to other models, and nobody can request."""

from dataclasses import dataclass

from pydantic import Field

from edged.contracts.face import FacesOptions
from edged.contracts.result import RESULT, Picture, Stack, Table, Vector


class FaceDetectionOptions(FacesOptions):
    """Options of face-detection."""

    iou_threshold: float = Field(gt=0, le=1)
    """Of two faces that overlap by more, only the better one is kept, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Faces:
    """Result of face-detection: n faces, best score first."""

    __pydantic_config__ = RESULT

    boxes: Table
    """[n, 4] f32: x1, y1, x2, y2 in pixels of the picture; may reach over its edges."""
    scores: Vector
    """[n] f32: 0 to 1."""
    landmarks: Stack
    """[n, 5, 2] f32: x, y in pixels of the picture: the eye on the left of the picture, the other eye, the
    tip of the nose, the corner of the mouth on the left of the picture, the other corner."""

    def __len__(self) -> int:
        """How many."""
        return len(self.scores)


@dataclass(frozen=True, slots=True)
class Embedding:
    """Result of image-embedding."""

    __pydantic_config__ = RESULT

    vector: Vector
    """[d] f32 of length 1: pictures of the same thing have vectors that point the same way."""


@dataclass(frozen=True, slots=True)
class Enlarged:
    """Result of picture-enlargement."""

    __pydantic_config__ = RESULT

    pixels: Picture
    """[factor times height, factor times width, 3] u8, BGR."""
