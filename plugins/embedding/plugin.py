"""A picture as a vector, by card alone: any graph that gives features of one picture.

Offers the decoder `embedding` to cards that have a graph and no code; README.md shows such a card.
"""

from collections.abc import Mapping
from typing import Literal

from edged import (
    Embedding,
    Frame,
    ModelCard,
    Options,
    Parameters,
    Prepared,
    RegisterDecoder,
    Shape,
    SinglePassModel,
    Tensors,
    hookimpl,
)
from edged.ops import embedding
from edged.ops.image import batch_of_one


class EmbeddingParameters(Parameters):
    """What a card says about an embedding's output."""

    pooling: Literal["none", "mean"] = "none"
    """`mean` for a graph that gives a vector for each place of the picture, with the vector last."""
    shape: tuple[int | None, ...] | None = None
    """How the output looks for one picture; none within it: any size, none in its place: any shape."""
    scale: tuple[tuple[float, float], ...] = ()
    """Cosine and score of 0 to 100, both rising: what image-similarity makes of it."""


class Embedder(SinglePassModel[Frame, None, Options, Embedding]):
    """Any graph with one picture input and one output that holds the features."""

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card)
        self._input, self._output = card.graphs["main"].single()
        self._picture = card.picture().format
        numbers = card.parameters_as(EmbeddingParameters)
        self._pooling, self._shape = numbers.pooling, numbers.shape

    def shapes(self, graph: str) -> Mapping[str, Shape]:
        return {self._output: self._shape} if self._shape else {}

    def preprocess(self, item: Frame, options: Options) -> Prepared[None]:
        return Prepared({self._input: batch_of_one(item.pixels(self._picture))}, None)

    def postprocess(self, outputs: Tensors, context: None, options: Options) -> Embedding:
        features = outputs[self._output][0]
        if self._pooling == "none":
            return Embedding(embedding.unit(features.ravel()))
        mean = features.reshape(-1, features.shape[-1]).mean(axis=0)
        return Embedding(embedding.unit(mean), features if features.ndim == 3 else None)


@hookimpl
def register_decoders(register: RegisterDecoder) -> None:
    register("embedding", Embedder)
