"""Request, options and result types of the image services."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from edged.contracts.media import UrlInput, whole_sentence
from edged.contracts.model import Options
from edged.contracts.result import RESULT

SCENES = 5
"""So many of the most probable classes scene-classification lists."""


class ImageInput(BaseModel):
    """A request that brings one picture: exactly one of `image` and `input`."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    image: str | None = Field(default=None, min_length=1)
    """Base64 of an encoded picture (JPEG, PNG, WebP, BMP, TIFF); may begin with `data:image/...;base64,`."""
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


class DetectionOptions(Options):
    """Options of object-detection."""

    score_threshold: float = Field(ge=0, le=1)
    """Boxes with a smaller score are left out, 0 to 1."""
    iou_threshold: float = Field(gt=0, le=1)
    """Of two boxes of one class that overlap by more, only the better one is kept, 0 to 1."""
    max_detections: int = Field(ge=1, le=1000)
    """The best so many boxes are kept."""


@dataclass(frozen=True, slots=True)
class Detections:
    """Answer of object-detection: every list has one entry an object, best score first; all may be empty."""

    __pydantic_config__ = RESULT

    detection_boxes: list[list[float]]
    """[n, 4]: top, left, bottom, right (y1, x1, y2, x2), pixels of the original upright picture."""
    detection_scores: list[float]
    """[n]: confidence, 0 to 1."""
    detection_classes: list[int]
    """[n]: 0-based index into the model's label list."""
    detection_class_names: list[str]
    """[n]: the name of each class."""

    @classmethod
    def from_arrays(
        cls,
        xyxy: NDArray[np.floating],
        scores: NDArray[np.floating],
        classes: NDArray[np.integer],
        names: Sequence[str],
    ) -> Self:
        """Rows of x1, y1, x2, y2 in picture pixels, best first. Rows that are not finite are left out."""
        finite = np.isfinite(xyxy).all(axis=1) & np.isfinite(scores)
        boxes = np.asarray(xyxy, np.float64)[finite][:, [1, 0, 3, 2]]
        ids = classes[finite].tolist()
        return cls(
            detection_boxes=boxes.round(2).tolist(),
            detection_scores=np.asarray(scores, np.float64)[finite].round(4).tolist(),
            detection_classes=ids,
            detection_class_names=[names[i] for i in ids],
        )


@dataclass(frozen=True, slots=True)
class Classification:
    """Answer of image-classification."""

    __pydantic_config__ = RESULT

    class_: int
    """The most probable class: 0-based index into the model's label list."""
    class_name: str
    """Its name."""
    class_probs: dict[str, float]
    """Probability of every class by its name, 0 to 1."""

    @classmethod
    def from_array(cls, probabilities: NDArray[np.floating], names: Sequence[str]) -> Self:
        """[n] probabilities, one a class, all of them finite."""
        best = int(probabilities.argmax())
        rounded = np.asarray(probabilities, np.float64).round(6).tolist()
        return cls(class_=best, class_name=names[best], class_probs=dict(zip(names, rounded, strict=True)))


@dataclass(frozen=True, slots=True)
class SceneClassification:
    """Answer of scene-classification."""

    __pydantic_config__ = RESULT

    class_: list[int]
    """[5]: the most probable classes, best first: 0-based indices into the model's label list."""
    class_name: list[str]
    """[5]: their names."""
    class_probs: dict[str, float]
    """Probability of every class by its name, 0 to 1."""

    @classmethod
    def from_array(cls, probabilities: NDArray[np.floating], names: Sequence[str]) -> Self:
        """[n] probabilities, one a class, all of them finite."""
        best = np.argsort(-probabilities, kind="stable")[:SCENES].tolist()
        rounded = np.asarray(probabilities, np.float64).round(6).tolist()
        return cls(
            class_=best,
            class_name=[names[i] for i in best],
            class_probs=dict(zip(names, rounded, strict=True)),
        )


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


TEXT = 1
"""The one class of ocr; 0 is background."""


@dataclass(frozen=True, slots=True)
class TextRow:
    """One text that was found and read."""

    quad: NDArray[np.floating]
    """[4, 2]: vertices as x, y, clockwise from the text's own top left, pixels of the picture."""
    score: float
    """How surely there is text, 0 to 1."""
    text: str
    """What is written there."""
    ids: Sequence[int]
    """The recogniser's class of each letter."""
    text_score: float
    """How surely it was read, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Texts:
    """Answer of ocr: every list has one entry a text, in reading order; all may be empty.

    Reading order is row by row from the top, each from left to right, as somebody sees them who holds the
    picture so that most of its text stands upright. Columns are not told apart.
    """

    __pydantic_config__ = RESULT

    detection_boxes: list[list[float]]
    """[n, 4]: top, left, bottom, right (y1, x1, y2, x2) around the vertices, pixels of the original upright
    picture."""
    detection_scores: list[float]
    """[n]: how surely there is text, 0 to 1."""
    detection_classes: list[int]
    """[n]: 1, which is text; 0 is background."""
    detection_class_names: list[str]
    """[n]: the name of each class."""
    detection_keypoints: list[list[list[float]]]
    """[n, 4, 2]: the vertices as y, x, clockwise from the text's own top left, pixels of the original upright
    picture."""
    detection_texts_ids: list[list[int]]
    """[n, longest text]: the recogniser's class of each letter, padded with 0."""
    detection_texts: list[str]
    """[n]: what is written there."""
    detection_texts_scores: list[float]
    """[n]: how surely it was read, mean over its letters, 0 to 1."""

    @classmethod
    def from_rows(cls, rows: Sequence[TextRow], size: tuple[int, int], classes: Sequence[str]) -> Self:
        """Texts in reading order, of a picture of `size` (height, width); `classes`: names by class id."""
        corners = np.array([row.quad for row in rows], np.float64).reshape(-1, 4, 2)[..., ::-1]
        corners = corners.clip(0, size).round(2)
        longest = max((len(row.ids) for row in rows), default=0)
        return cls(
            detection_boxes=np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1).tolist(),
            detection_scores=[round(row.score, 4) for row in rows],
            detection_classes=[TEXT] * len(rows),
            detection_class_names=[classes[TEXT]] * len(rows),
            detection_keypoints=corners.tolist(),
            detection_texts_ids=[[*row.ids, *[0] * (longest - len(row.ids))] for row in rows],
            detection_texts=[row.text for row in rows],
            detection_texts_scores=[round(row.text_score, 4) for row in rows],
        )
