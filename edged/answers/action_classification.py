"""What happens in a video."""

from dataclasses import dataclass
from typing import Any

from edged.answers.classification import best_name, best_of, draw_classes, only_best, same_best
from edged.answers.fields import PUBLISHED, by_name
from edged.answers.kind import Kind
from edged.contracts.video import ActionClassification, Taxonomy


@dataclass(frozen=True, slots=True)
class ActionFields:
    """Answer of video-classification."""

    __pydantic_config__ = PUBLISHED

    class_: str
    """The most probable action, as its taxonomy spells it."""
    class_id: int
    """Its 0-based index into the model's list of classes, of all taxonomies."""
    class_probs: dict[str, float]
    """Probability of the five most probable actions by name, 0 to 1."""
    taxonomy: Taxonomy
    """Whose name `class` is."""


def _written(found: ActionClassification, _: Any) -> ActionFields:
    best = best_of(found.probabilities)
    listed = by_name([found.names[number] for number in best], found.probabilities[best])
    return ActionFields(found.names[best[0]], best[0], listed, found.taxonomies[best[0]])


KIND = Kind(
    ActionClassification,
    ActionFields,
    write=_written,
    gist=best_name,
    only=only_best,
    agreement=same_best,
    draw=draw_classes,
)
