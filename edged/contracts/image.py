"""Request, options and results of the image services.

A result is a value: arrays in pixels of the original upright picture, neither rounded nor encoded. What is
published of it is written by `edged.answers`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from edged.contracts.described import Described
from edged.contracts.items import Pixels
from edged.contracts.media import UrlInput, whole_sentence
from edged.contracts.model import Options

Floats = NDArray[np.floating]
Integers = NDArray[np.integer]
Names = Sequence[str] | Mapping[int, str]
"""The name of each class that a model knows, by class id."""


class ImageInput(Described):
    """A request that brings one picture: exactly one of `image` and `input`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image: str | None = Field(default=None, min_length=1)
    """Base64 of an encoded picture (JPEG, PNG, WebP, BMP, TIFF); may begin with
    `data:image/...;base64,` and hold white space."""
    input: UrlInput | None = Field(default=None, validate_default=True)
    """Where the picture is, instead of the picture itself."""

    @field_validator("input")
    @classmethod
    def _exactly_one(cls, value: UrlInput | None, before: ValidationInfo) -> UrlInput | None:
        if "image" not in before.data:  # is wrong by itself
            return value
        if before.data["image"] is None and value is None:
            raise whole_sentence("the field `image` is missing; `input.url` may say instead where it is")
        if before.data["image"] is not None and value is not None:
            raise whole_sentence("the fields `image` and `input` are both given: give one of them")
        return value


class ColourInput(ImageInput):
    """A request of image-colorization: a picture, and for some models another one to take the colour from."""

    reference: str | None = Field(default=None, min_length=1)
    """Base64 of a picture in colour of the same scene, as `image`: for models that colour one like the other.
    They need it, and the others take none."""


class DetectionOptions(Options):
    """Options of object-detection."""

    score_threshold: float = Field(ge=0, le=1)
    """Boxes with a smaller score are left out, 0 to 1."""
    iou_threshold: float = Field(gt=0, le=1)
    """Of two boxes of one class that overlap by more, only the better one is kept, 0 to 1."""
    max_detections: int = Field(ge=1, le=1000)
    """The best so many boxes are kept."""


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """Result of object-detection: n objects, best score first."""

    boxes: Floats
    """[n, 4]: x1, y1, x2, y2 in pixels of the picture."""
    scores: Floats
    """[n]: confidence, 0 to 1."""
    classes: Integers
    """[n]: class ids."""
    names: Names
    """Of all classes that the model knows."""

    @property
    def class_names(self) -> list[str]:
        """[n]: the name of each object's class."""
        return [self.names[number] for number in self.classes.tolist()]

    def chosen(self, rows: Integers | Sequence[int]) -> Self:
        """The objects with these numbers, in this order."""
        rows = np.asarray(rows, np.intp)
        return replace(self, boxes=self.boxes[rows], scores=self.scores[rows], classes=self.classes[rows])

    def __len__(self) -> int:
        """How many."""
        return len(self.scores)


@dataclass(frozen=True, slots=True, eq=False)
class Classification:
    """Result of image-classification."""

    probabilities: Floats
    """[classes]: 0 to 1."""
    names: Sequence[str]
    """By class id; no two are the same."""

    @property
    def best(self) -> int:
        """The most probable class."""
        return int(self.probabilities.argmax())


@dataclass(frozen=True, slots=True, eq=False)
class SceneClassification(Classification):
    """Result of scene-classification."""


class OcrOptions(Options):
    """Options of ocr."""

    score_threshold: float = Field(ge=0, le=1)
    """Places that are less surely text are left out, 0 to 1."""
    text_score_threshold: float = Field(ge=0, le=1)
    """Texts that are read less surely are left out, 0 to 1."""
    max_detections: int = Field(ge=1, le=1000)
    """The best so many places are read."""
    longest_side: int = Field(ge=320, le=4096)
    """Text is looked for in a picture reduced to so many pixels of its longer side, and read in the original.

    More finds smaller letters (they want some 6 pixels there) and takes longer in proportion to the area."""


@dataclass(frozen=True, slots=True, eq=False)
class TextRow:
    """One text that was found and read."""

    quad: Floats
    """[4, 2]: vertices as x, y, clockwise from the text's own top left, pixels of the picture."""
    score: float
    """How surely there is text, 0 to 1."""
    text: str
    """What is written there."""
    ids: Sequence[int]
    """The recogniser's class of each letter."""
    text_score: float
    """How surely it was read, mean over its letters, 0 to 1."""


@dataclass(frozen=True, slots=True, eq=False)
class Texts:
    """Result of ocr: texts in reading order.

    Reading order is row by row from the top, each from left to right, as somebody sees them who holds the
    picture so that most of its text stands upright. Columns are not told apart.
    """

    rows: Sequence[TextRow]
    size: tuple[int, int]
    """(height, width) of the picture, pixels; a vertex may lie outside of it."""
    names: Names
    """By class id: background is 0, text is 1."""


class PictureOptions(Options):
    """Options of the services that give a picture back."""

    image_format: Literal["jpeg", "png"]
    """How `out_image` is encoded: `jpeg` is several times shorter, `png` loses nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class OutImage:
    """Result of image-colorization: what became of the picture."""

    pixels: Pixels
    """[height, width, 3] BGR, of the size of the original upright picture."""
