"""A classifier by card alone: one picture in, one probability a class out.

Offers the decoder `classification` to cards that have an ONNX file and no code; README.md shows such a card.
"""

from typing import Literal

import numpy as np

from edged import (
    Classification,
    Frame,
    InferenceError,
    ModelCard,
    Options,
    Parameters,
    Prepared,
    RegisterDecoder,
    SinglePassModel,
    Tensors,
    hookimpl,
)
from edged.ops import scores
from edged.ops.image import batch_of_one


class ClassifierParameters(Parameters):
    """What a card says about a classifier's output."""

    activation: Literal["softmax", "none"]
    """`softmax` for a graph that gives logits, `none` for one that gives probabilities."""
    scale: float = 1.0
    """What the values are multiplied by first: 1/256 for a graph that gives bytes."""


class Classifier(SinglePassModel[Frame, None, Options, Classification]):
    """Any graph with one picture input and one output of as many values as the card has labels."""

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card)
        self._input, self._output = card.graphs["main"].single()
        self._picture = card.picture().format
        self._says = card.parameters_as(ClassifierParameters)
        self._names = card.class_names()

    def preprocess(self, item: Frame, options: Options) -> Prepared[None]:
        return Prepared({self._input: batch_of_one(item.pixels(self._picture))}, None)

    def postprocess(self, outputs: Tensors, context: None, options: Options) -> Classification:
        values = outputs[self._output].reshape(-1) * np.float32(self._says.scale)
        if len(values) != len(self._names):
            raise InferenceError(
                f"the graph of {self.card.id} gives {len(values)} values for {len(self._names)} labels"
            )
        soft = self._says.activation == "softmax"
        return Classification(scores.softmax(values) if soft else values, self._names)


@hookimpl
def register_decoders(register: RegisterDecoder) -> None:
    register("classification", Classifier)
