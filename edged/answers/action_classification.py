"""What happens in a video."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edged.answers.classification import best_of, draw_classes
from edged.answers.fields import PUBLISHED, by_name
from edged.answers.kind import Kind
from edged.contracts.video import ActionClassification, Taxonomy

LISTED = 5
"""So many of the most probable classes are listed."""


@dataclass(frozen=True, slots=True)
class ActionFields:
    """Answer of video-classification."""

    __pydantic_config__ = PUBLISHED

    class_: str
    """The most probable action, as its taxonomy spells it."""
    class_id: int
    """Its 0-based index into the list of all classes that could have been answered."""
    class_probs: dict[str, float]
    """Probability of the five most probable actions by name, 0 to 1."""
    taxonomy: Taxonomy
    """Whose name `class` is."""


def _written(found: ActionClassification, _: Any) -> ActionFields:
    best = best_of(found.probabilities, LISTED)
    listed = by_name([found.names[number] for number in best], found.probabilities[best])
    return ActionFields(found.names[best[0]], best[0], listed, found.taxonomies[best[0]])


def _best(found: ActionClassification) -> str:
    return found.names[int(found.probabilities.argmax())]


def _only(found: ActionClassification, classes: Collection[str]) -> tuple[ActionClassification, bool]:
    return found, _best(found) in classes


def _agreement(reference: Sequence[ActionClassification], other: Sequence[ActionClassification]) -> float:
    """Share of videos whose most probable action is the same."""
    return float(np.mean([_best(a) == _best(b) for a, b in zip(reference, other, strict=True)]))


KIND = Kind(
    ActionClassification,
    ActionFields,
    write=_written,
    gist=lambda found, _: _best(found),
    only=_only,
    agreement=_agreement,
    draw=draw_classes,
)
