"""Answers drawn into the picture that they speak of, for people to look at."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edged.contracts.items import Pixels
from edged.ops.draw.boxes import draw_detections
from edged.ops.draw.classes import draw_classes
from edged.ops.draw.faces import draw_faces
from edged.ops.draw.masks import draw_class_map, draw_foreground, draw_objects
from edged.ops.draw.pen import colour_of
from edged.ops.draw.pictures import draw_after, draw_pair
from edged.ops.draw.products import draw_products
from edged.ops.draw.texts import draw_texts

__all__ = ["annotate", "colour_of", "draw_classes", "draw_detections", "draw_texts"]

Answer = Mapping[str, Any]


def annotate(service: str, pictures: Sequence[Pixels], answer: Answer) -> Pixels:
    """The picture, or both, with the answer of a service drawn; as it is, where there is nothing to draw.

    Raises `ValueError` and the like for an answer that is none of this service for these pictures.
    """
    draw = _BY_SERVICE.get(service)
    return draw(pictures, answer) if draw else pictures[0]


def _detection(pictures: Sequence[Pixels], answer: Answer) -> Pixels:
    return draw_detections(
        pictures[0], answer["detection_boxes"], answer["detection_scores"], answer["detection_class_names"]
    )


def _classification(pictures: Sequence[Pixels], answer: Answer) -> Pixels:
    return draw_classes(pictures[0], answer["class_probs"])


def _ocr(pictures: Sequence[Pixels], answer: Answer) -> Pixels:
    return draw_texts(pictures[0], answer["detection_keypoints"], answer["detection_texts"])


_BY_SERVICE: Mapping[str, Callable[[Sequence[Pixels], Answer], Pixels]] = {
    "object-detection": _detection,
    "image-classification": _classification,
    "scene-classification": _classification,
    "ocr": _ocr,
    "semantic-segmentation": draw_class_map,
    "instance-segmentation": draw_objects,
    "foreground-segmentation": draw_foreground,
    "inventory-counting": draw_products,
    "face-attributes": draw_faces,
    "face-enhancement": draw_after,
    "image-colorization": draw_after,
    "image-similarity": draw_pair,
    "face-similarity": draw_pair,
    "product-comparison": draw_pair,
}
