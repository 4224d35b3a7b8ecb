"""What an answer says: the part of it whose change is an event, and what is left of it for some classes.

One small pure function a kind of answer; a service that `_KINDS` does not list is compared by `gist_of_any`.
"""

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np

from edged.contracts.masks import Runs

LEAST_SHARE = 0.01
"""Of a picture's pixels; a class that covers less comes and goes by chance."""

Answer = Mapping[str, Any]
"""Fields of a service's answer by their published names, or its clips by their start."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is left of an answer when only some classes are wanted."""

    answer: Answer
    empty: bool
    """Nothing of the wanted classes is in it."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How the answers of a service are compared and narrowed."""

    gist: Callable[[Answer], Hashable]
    """What the answer says, without scores and coordinates: two answers of one gist are no event."""
    only: Callable[[Answer, Collection[str]], Kept] | None = None
    """Narrows an answer to some classes; none: answers of this kind have no classes."""


def kind_of(service: str) -> Kind:
    """How the answers of a service are compared and narrowed."""
    return _KINDS.get(service, _ANY)


def class_fault(service: str, wanted: Collection[str], known: Collection[str]) -> str | None:
    """Why these classes cannot be wanted of a model that knows the others; none: they can.

    A model without labels, such as one that names what the shop enrolled, may know any.
    """
    if not wanted:
        return None
    if kind_of(service).only is None:
        return f"the answers of {service} have no classes, so `classes` leaves them as they are"
    if not known:
        return None
    lower = {name.lower(): name for name in known}
    for name in (name for name in wanted if name not in known):
        close = [lower[found] for found in get_close_matches(name.lower(), lower, 3, 0.6)]
        hint = f"did you mean {', '.join(close)}?" if close else f"it knows {len(known)} others"
        return f"the model knows no class {name!r}; {hint}"
    return None


def gist_of_objects(answer: Answer) -> Hashable:
    """How many there are of each class."""
    return tuple(sorted(answer["detection_class_names"]))


def gist_of_class(answer: Answer) -> Hashable:
    """The best class, or the best ones without their order."""
    best = answer["class_name"]
    return best if isinstance(best, str) else tuple(sorted(best))


def gist_of_texts(answer: Answer) -> Hashable:
    """The texts, in any order."""
    return tuple(sorted(answer["detection_texts"]))


def gist_of_any(value: Any) -> Hashable:
    """Words, whole numbers and how many there are; floats are scores or coordinates, arrays are shapes."""
    if isinstance(value, Mapping):
        return tuple((name, gist_of_any(part)) for name, part in value.items())
    if isinstance(value, np.ndarray):
        return tuple(value.shape)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(gist_of_any(part) for part in value)
    known: Hashable = None if isinstance(value, float | np.floating) else value
    return known


def only_objects(answer: Answer, classes: Collection[str]) -> Kept:
    """The objects of these classes: every `detection_` list has one entry an object."""
    rows = [i for i, name in enumerate(answer["detection_class_names"]) if name in classes]
    left = {
        field: _rows(value, rows) if field.startswith("detection_") else value
        for field, value in answer.items()
    }
    return Kept(left, empty=not rows)


def only_products(answer: Answer, classes: Collection[str]) -> Kept:
    """The products of these SKUs, and their counts."""
    kept = only_objects(answer, classes)
    counts = {sku: count for sku, count in answer["product_count"].items() if sku in classes}
    return Kept({**kept.answer, "product_count": counts}, kept.empty)


def only_class(answer: Answer, classes: Collection[str]) -> Kept:
    """The whole answer: it cannot be cut, only its best class be wanted or not."""
    best = answer["class_name"]
    return Kept(answer, empty=not {best if isinstance(best, str) else best[0]} & set(classes))


def _rows(value: Any, rows: list[int]) -> Any:
    return value[rows] if isinstance(value, np.ndarray) else [value[i] for i in rows]


def gist_of_person(answer: Answer) -> Hashable:
    """Whether there is anybody."""
    return float(answer["human_ratio"]) > 0


def gist_of_faces(answer: Answer) -> Hashable:
    """How many faces of each gender; age and emotion waver from frame to frame."""
    return tuple(sorted(answer["face_gender"]))


def gist_of_pixels(answer: Answer) -> Hashable:
    """Which classes cover at least a hundredth of the picture."""
    preds = answer["preds"]
    if isinstance(preds, Runs):
        counts, values = np.array(preds.counts), np.array(preds.values, int)
    elif isinstance(preds, np.ndarray):
        values, counts = np.unique(preds, return_counts=True)
    else:
        return None
    shares = np.bincount(values.ravel(), weights=counts.ravel()) / max(1, counts.sum())
    return tuple(np.flatnonzero(shares >= LEAST_SHARE).tolist())


def gist_of_picture(_: Answer) -> Hashable:
    """A picture that is given back says nothing that could change."""
    return None


def gist_of_clips(answer: Answer | str) -> Hashable:
    """What is said of the clips, whenever they began; a vector says nothing that could change."""
    return tuple(answer.values()) if isinstance(answer, Mapping) else None


_ANY = Kind(gist_of_any)
_CLIPS = Kind(gist_of_clips)
_OBJECTS = Kind(gist_of_objects, only_objects)
_CLASS = Kind(gist_of_class, only_class)
_KINDS: Mapping[str, Kind] = {
    "object-detection": _OBJECTS,
    "instance-segmentation": _OBJECTS,
    "inventory-counting": Kind(gist_of_objects, only_products),
    "image-classification": _CLASS,
    "scene-classification": _CLASS,
    "ocr": Kind(gist_of_texts),
    "semantic-segmentation": Kind(gist_of_pixels),
    "foreground-segmentation": Kind(gist_of_person),
    "face-attributes": Kind(gist_of_faces),
    "image-colorization": Kind(gist_of_picture),
    "face-enhancement": Kind(gist_of_picture),
    "speech-recognition-zh": _CLIPS,
    "speech-recognition-zh-live": _CLIPS,
    "speech-vectorization-zh": _CLIPS,
    "speech-vectorization-en": _CLIPS,
    "speaker-classification-zh": _CLIPS,
    "speech-detection-zh": _CLIPS,
    "music-detection": _CLIPS,
}
