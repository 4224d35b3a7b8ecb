"""SFace: an aligned face in, a vector out that points the same way for all pictures of a person.

Paper: https://doi.org/10.1109/TIP.2020.3048632. The face is brought to where the card's chip wants its
landmarks by who uses this model; graph.py decodes the weights.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edged import Embedding, Frame, ModelCard, Options, Prepared, Register, SinglePassModel, Tensors, hookimpl
from edged.ops import embedding
from edged.ops.image import batch_of_one

from . import graph


class Sface(SinglePassModel[Frame, None, Options, Embedding]):
    """One picture input, one output with the features."""

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card)
        self._input, self._output = card.graphs["main"].single()
        self._picture = card.picture().format

    def build_graph(self, name: str, files: Mapping[str, Path]) -> Any:
        (published,) = files.values()
        return graph.build(published)

    def preprocess(self, item: Frame, options: Options) -> Prepared[None]:
        return Prepared({self._input: batch_of_one(item.pixels(self._picture))}, None)

    def postprocess(self, outputs: Tensors, context: None, options: Options) -> Embedding:
        return Embedding(embedding.unit(outputs[self._output].ravel()))


@hookimpl
def register_models(register: Register) -> None:
    register(Sface)
