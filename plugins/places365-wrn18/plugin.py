"""Places365: which of 365 kinds of places a picture shows. Every number and label is in the card.

The graph is assembled at `edged pull` by graph.py, for what is published is a checkpoint of torch.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edged import (
    Frame,
    ModelCard,
    Options,
    Prepared,
    Register,
    SceneClassification,
    Shape,
    SinglePassModel,
    Tensors,
    hookimpl,
)
from edged.ops.image import batch_of_one

from . import graph


class Places365(SinglePassModel[Frame, None, Options, SceneClassification]):
    """One picture input, one output of as many probabilities as the card has labels."""

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card)
        self._input, self._output = card.graphs["main"].single()
        self._picture = card.picture().format
        self._names = card.class_names()

    def build_graph(self, name: str, files: Mapping[str, Path]) -> Any:
        (checkpoint,) = files.values()
        return graph.build(checkpoint, self.card.picture().fixed_size)

    def shapes(self, graph: str) -> Mapping[str, Shape]:
        return {self._output: (1, len(self._names))}

    def preprocess(self, item: Frame, options: Options) -> Prepared[None]:
        return Prepared({self._input: batch_of_one(item.pixels(self._picture))}, None)

    def postprocess(self, outputs: Tensors, context: None, options: Options) -> SceneClassification:
        return SceneClassification(outputs[self._output][0], self._names)


@hookimpl
def register_models(register: Register) -> None:
    register(Places365)
