"""What a picture shows, of many classes."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from edged.answers.fields import PUBLISHED, Floats, by_name
from edged.answers.kind import Kind
from edged.contracts.image import Classification
from edged.contracts.items import Pixels
from edged.ops.draw.pen import Pen, colour_of, listed, readable

ClassesT = TypeVar("ClassesT", bound=Classification)

LISTED = 5
"""So many of the most probable classes are drawn, and told by the services that do not tell all."""


@dataclass(frozen=True, slots=True)
class ClassFields:
    """Answer of image-classification."""

    __pydantic_config__ = PUBLISHED

    class_: int
    """The most probable class: 0-based index into the model's label list."""
    class_name: str
    """Its name."""
    class_probs: dict[str, float]
    """Probability of every class by its name, 0 to 1."""


def _written(found: Classification, _: Any) -> ClassFields:
    return ClassFields(found.best, best_name(found, None), by_name(found.names, found.probabilities))


def best_of(probabilities: Floats) -> list[int]:
    """Of [classes] probabilities the indices of the `LISTED` highest, best first."""
    best: list[int] = np.argsort(-probabilities, kind="stable")[:LISTED].tolist()
    return best


def best_name(found: Classification, _: Any) -> str:
    """The name of the most probable class."""
    return found.names[found.best]


def only_best(found: ClassesT, classes: Collection[str]) -> tuple[ClassesT, bool]:
    """The whole result: it cannot be cut, only its most probable class be wanted or not."""
    return found, best_name(found, None) in classes


def same_best(reference: Sequence[Classification], other: Sequence[Classification]) -> float:
    """Share of items whose most probable class is the same."""
    return float(np.mean([a.best == b.best for a, b in zip(reference, other, strict=True)]))


def draw_classes(pictures: Sequence[Pixels], found: Classification, _: Any) -> Pixels:
    """The most probable classes, written at the top left, best first."""
    canvas, _ = readable(pictures[0])
    best = best_of(found.probabilities)
    lines = [(f"{found.names[i]} {found.probabilities[i]:.1%}", colour_of(found.names[i])) for i in best]
    listed(canvas, lines, Pen.for_picture(canvas))
    return canvas


KIND = Kind(
    Classification,
    ClassFields,
    write=_written,
    gist=best_name,
    only=only_best,
    agreement=same_best,
    draw=draw_classes,
)
