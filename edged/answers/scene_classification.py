"""What kind of place a picture shows."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from edged.answers.classification import best_of, draw_classes, only_best, same_best
from edged.answers.fields import PUBLISHED, by_name
from edged.answers.kind import Kind
from edged.contracts.image import SceneClassification


@dataclass(frozen=True, slots=True)
class SceneFields:
    """Answer of scene-classification."""

    __pydantic_config__ = PUBLISHED

    class_: list[int]
    """[5]: the most probable classes, best first: 0-based indices into the model's label list."""
    class_name: list[str]
    """[5]: their names."""
    class_probs: dict[str, float]
    """Probability of every class by its name, 0 to 1."""


def _written(found: SceneClassification, _: Any) -> SceneFields:
    best = best_of(found.probabilities)
    probabilities = by_name(found.names, found.probabilities)
    return SceneFields(best, [found.names[number] for number in best], probabilities)


def _gist(found: SceneClassification, _: Any) -> Hashable:
    """The best ones without their order."""
    return tuple(sorted(best_of(found.probabilities)))


KIND = Kind(
    SceneClassification,
    SceneFields,
    write=_written,
    gist=_gist,
    only=only_best,
    agreement=same_best,
    draw=draw_classes,
)
