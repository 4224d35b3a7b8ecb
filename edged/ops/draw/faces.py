"""Faces with what they show."""

from collections.abc import Mapping, Sequence
from typing import Any

from edged.contracts.items import Pixels
from edged.ops.draw.boxes import boxed
from edged.ops.draw.pen import Pen, readable


def draw_faces(pictures: Sequence[Pixels], answer: Mapping[str, Any]) -> Pixels:
    """A box around every face with age, gender and emotion, in its gender's colour."""
    canvas, factor = readable(pictures[0])
    genders = answer["face_gender"]
    told = zip(answer["face_age"], genders, answer["face_emo"], strict=True)
    labels = [f"{age:.0f}, {gender}, {emotion}" for age, gender, emotion in told]
    boxes = [
        [y1 * factor, x1 * factor, y2 * factor, x2 * factor] for x1, y1, x2, y2, _ in answer["face_bbox"]
    ]
    boxed(canvas, boxes, genders, labels, Pen.for_picture(canvas))
    return canvas
