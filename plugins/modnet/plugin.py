"""People against the background: a detector finds them, and a matting network outlines each by itself.

MODNet, https://arxiv.org/abs/2011.11961, and PP-HumanSeg, https://arxiv.org/abs/2112.07146. Both see people
where there are none; what lies in no person's surroundings is therefore background. Every number is in the
cards.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edged import (
    Detections,
    Foreground,
    ForegroundOptions,
    Frame,
    Model,
    ModelCard,
    Opacity,
    Parameters,
    Register,
    Run,
    Shape,
    Tools,
    hookimpl,
)
from edged.ops import scores
from edged.ops.image import batch_of_one

Floats = NDArray[np.floating]


class PeopleParameters(Parameters):
    """How people are looked at, and how the graph's output is read."""

    person: str
    """Class of the detector."""
    margin: float = Field(ge=0)
    """What is looked at around a person's box, as a share of its sides."""
    most: int = Field(ge=1)
    """So many people are outlined, the largest first."""
    activation: Literal["none", "softmax"]
    """`none`: one plane of opacities; `softmax`: one plane of logits a class, the last of them people."""


class People(Model[Frame, ForegroundOptions, Foreground]):
    """Any graph that gives [1, planes, height, width] of one picture, on top of a detector of people."""

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card)
        self._input, self._output = card.graphs["main"].single()
        self._picture = card.picture().format
        self._grid = card.picture().fixed_size
        self._numbers = card.parameters_as(PeopleParameters)

    def shapes(self, graph: str) -> Mapping[str, Shape]:
        return {self._output: (1, None, *self._grid)}

    def infer(self, item: Frame, options: ForegroundOptions, tools: Tools, run: Run) -> Foreground:
        parts = []
        for box in self._people(item, options, tools, run):
            run.check()
            parts.append(Opacity(self._opacity(item.part(box), tools), box))
        return Foreground(parts, self._grid, (item.height, item.width))

    def _people(self, item: Frame, options: ForegroundOptions, tools: Tools, run: Run) -> Floats:
        """Where to look [n, 4]: x1, y1, x2, y2 in whole pixels within the picture; all of it when asked
        to."""
        limit = np.array([item.width, item.height] * 2, np.float32)
        if options.person_threshold == 0:
            return np.concatenate([np.zeros(2, np.float32), limit[:2]])[None]
        found: Detections = tools.models["people"].infer(item, run, score_threshold=options.person_threshold)
        boxes = found.boxes[[name == self._numbers.person for name in found.class_names]]
        sides = boxes[:, 2:] - boxes[:, :2]
        largest = np.argsort(-sides.prod(axis=1), kind="stable")[: self._numbers.most]
        around = sides * self._numbers.margin
        wide = np.concatenate([np.floor(boxes[:, :2] - around), np.ceil(boxes[:, 2:] + around)], axis=1)
        return np.asarray(np.clip(wide, 0, limit)[largest])

    def _opacity(self, part: Frame, tools: Tools) -> Floats:
        """[height, width] of the graph's grid, 0 to 1."""
        fed = {self._input: batch_of_one(part.pixels(self._picture))}
        planes = tools.sessions["main"].run(fed)[self._output][0]
        soft = self._numbers.activation == "softmax"
        return np.asarray((scores.softmax(planes, axis=0) if soft else planes)[-1])


@hookimpl
def register_models(register: Register) -> None:
    register(People, "card.yaml", "pp-humanseg.yaml")
