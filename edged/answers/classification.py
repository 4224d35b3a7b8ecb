"""What a picture shows, of many classes."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edged.answers.fields import PUBLISHED, Floats, by_name
from edged.answers.kind import Kind
from edged.contracts.image import Classification
from edged.contracts.items import Pixels
from edged.ops.draw.pen import Pen, colour_of, listed, readable

LISTED = 5
"""So many classes are drawn."""


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
    best = found.best
    return ClassFields(best, found.names[best], by_name(found.names, found.probabilities))


def best_of(probabilities: Floats, most: int) -> list[int]:
    """The most probable classes, best first."""
    best: list[int] = np.argsort(-probabilities, kind="stable")[:most].tolist()
    return best


def only_best(found: Any, classes: Collection[str]) -> tuple[Any, bool]:
    """The whole result: it cannot be cut, only its best class be wanted or not."""
    return found, found.names[found.best] in classes


def same_best(reference: Sequence[Classification], other: Sequence[Classification]) -> float:
    """Share of items whose most probable class is the same."""
    return float(np.mean([a.best == b.best for a, b in zip(reference, other, strict=True)]))


def draw_classes(pictures: Sequence[Pixels], found: Any, options: Any = None) -> Pixels:
    """The most probable classes, written at the top left, best first."""
    canvas, _ = readable(pictures[0])
    best = best_of(found.probabilities, LISTED)
    lines = [(f"{found.names[i]} {found.probabilities[i]:.1%}", colour_of(found.names[i])) for i in best]
    listed(canvas, lines, Pen.for_picture(canvas))
    return canvas


KIND = Kind(
    Classification,
    ClassFields,
    write=_written,
    gist=lambda found, _: found.names[found.best],
    only=only_best,
    agreement=same_best,
    draw=draw_classes,
)
