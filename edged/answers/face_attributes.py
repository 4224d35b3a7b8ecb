"""Faces, with what they show."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edged.answers.detections import Boxes, f1
from edged.answers.fields import PIXEL_DIGITS, PUBLISHED, SCORE_DIGITS, Floats, Table, Vector, rounded
from edged.answers.kind import Kind
from edged.contracts.face import Emotion, FaceAttributes, Gender
from edged.contracts.items import Pixels
from edged.ops.draw.boxes import draw_boxes
from edged.ops.draw.faces import say_no_face


@dataclass(frozen=True, slots=True)
class FaceFields:
    """Answer of face-attributes: every list has one entry a face, best score first; all may be empty."""

    __pydantic_config__ = PUBLISHED

    face_age: Vector
    """[n]: estimated age, years."""
    face_gender: list[Gender]
    """[n]: the gender that is more likely by the looks."""
    face_emo: list[Emotion]
    """[n]: the emotion that the face shows most likely."""
    face_bbox: Table
    """[n, 5]: left, top, right, bottom (x1, y1, x2, y2) in pixels of the original upright picture, and
    score, 0 to 1."""


def _written(found: FaceAttributes, _: Any) -> FaceFields:
    scored = np.column_stack([_within(found), found.scores])
    return FaceFields(
        rounded(found.ages, PIXEL_DIGITS),
        list(found.genders),
        list(found.emotions),
        rounded(scored, SCORE_DIGITS),
    )


def _within(found: FaceAttributes) -> Floats:
    """Boxes [n, 4] within the picture."""
    height, width = found.size
    return np.clip(found.boxes.reshape(-1, 4), 0, [width, height] * 2)


def _gist(found: FaceAttributes, _: Any) -> Hashable:
    """How many faces there are of each gender: age and emotion waver from frame to frame."""
    return tuple(sorted(found.genders))


def _agreement(reference: Sequence[FaceAttributes], other: Sequence[FaceAttributes]) -> float:
    """F1 of boxes and genders over all items."""
    return f1(map(_boxes, reference), map(_boxes, other))


def _boxes(found: FaceAttributes) -> Boxes:
    return found.boxes, found.genders


def _drawn(pictures: Sequence[Pixels], found: FaceAttributes, _: Any) -> Pixels:
    """A box around every face with age, gender and emotion, in its gender's colour."""
    told = zip(found.ages.tolist(), found.genders, found.emotions, strict=True)
    labels = [f"{age:.0f}, {gender}, {emotion}" for age, gender, emotion in told]
    canvas = draw_boxes(pictures[0], _within(found), found.genders, labels)
    return canvas if labels else say_no_face(canvas)


KIND = Kind(
    FaceAttributes,
    FaceFields,
    write=_written,
    gist=_gist,
    agreement=_agreement,
    draw=_drawn,
    shrink="ask for a smaller `max_faces`",
)
