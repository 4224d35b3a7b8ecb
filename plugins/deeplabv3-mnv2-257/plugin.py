"""DeepLab v3: one picture in, the class of every pixel out. Every number and label is in the card.

Paper: https://arxiv.org/abs/1706.05587, on MobileNet v2, https://arxiv.org/abs/1801.04381.
"""

from collections.abc import Mapping

import numpy as np

from edged import (
    Frame,
    ModelCard,
    Prepared,
    Register,
    Segmentation,
    SegmentationOptions,
    Shape,
    SinglePassModel,
    Tensors,
    hookimpl,
)
from edged.ops.image import batch_of_one

Size = tuple[int, int]
"""(height, width) of the picture."""


class Deeplab(SinglePassModel[Frame, Size, SegmentationOptions, Segmentation]):
    """Any graph that gives logits [n, height, width, classes] over the whole picture."""

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card)
        self._input, self._output = card.graphs["main"].single()
        self._picture = card.picture().format

    def shapes(self, graph: str) -> Mapping[str, Shape]:
        return {self._output: (1, None, None, len(self.card.labels))}

    def preprocess(self, item: Frame, options: SegmentationOptions) -> Prepared[Size]:
        fed = {self._input: batch_of_one(item.pixels(self._picture))}
        return Prepared(fed, (item.height, item.width))

    def postprocess(self, outputs: Tensors, context: Size, options: SegmentationOptions) -> Segmentation:
        logits = np.moveaxis(outputs[self._output][0], 2, 0)
        return Segmentation(logits, context, self.card.class_names())


@hookimpl
def register_models(register: Register) -> None:
    register(Deeplab)
