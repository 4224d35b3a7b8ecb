"""Every kind of result, by its type."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edged.answers import (
    action_classification,
    classification,
    detections,
    embedding,
    enhanced_faces,
    enlarged_picture,
    enlarged_video,
    face_attributes,
    face_similarity,
    faces,
    foreground,
    highlight,
    image_similarity,
    instance_masks,
    out_image,
    passages,
    product_match,
    scene_classification,
    segmentation,
    shelf_count,
    speaker_class,
    speech_vector,
    text_embedding,
    text_vectors,
    texts,
    transcript,
    yes_no,
)
from edged.answers.kind import Kind
from edged.contracts.parts import Embedding, Enlarged, Faces

KINDS: Mapping[type[Any], Kind[Any]] = {
    module.KIND.result: module.KIND
    for module in (
        action_classification,
        classification,
        detections,
        enhanced_faces,
        enlarged_video,
        face_attributes,
        face_similarity,
        foreground,
        highlight,
        image_similarity,
        instance_masks,
        out_image,
        passages,
        product_match,
        scene_classification,
        segmentation,
        shelf_count,
        speaker_class,
        speech_vector,
        text_embedding,
        text_vectors,
        texts,
        transcript,
        yes_no,
    )
}
"""By the type of the result."""

_OF_PARTS: Mapping[type[Any], Callable[[Any, Any], float]] = {
    Embedding: embedding.agreement,
    Enlarged: enlarged_picture.agreement,
    Faces: faces.agreement,
}


def measures(result: type[Any]) -> bool:
    """Whether `agreement` knows such results."""
    return _metric(result) is not None


def agreement(reference: Sequence[Any], other: Sequence[Any]) -> float | None:
    """0 to 1: how far `other` has the results of `reference`; none where nothing measures it."""
    metric = _metric(type(reference[0])) if reference else None
    return metric(reference, other) if metric else None


def _metric(result: type[Any]) -> Callable[[Any, Any], float] | None:
    return KINDS[result].agreement if result in KINDS else _OF_PARTS.get(result)
