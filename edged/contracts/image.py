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
