"""DeepLab v3: one picture in, the class of every pixel out. Every number and label is in the card.

Paper: https://arxiv.org/abs/1706.05587, on MobileNet v2, https://arxiv.org/abs/1801.04381.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edged import (
    Frame,
    InferenceError,
    ModelCard,
    Parameters,
    Prepared,
    Register,
    Segmentation,
    SegmentationOptions,
    SinglePassModel,
    Tensors,
    TooLarge,
    hookimpl,
)
from edged.media.masks import encoded_classes, rounded
from edged.ops import masks, scores
from edged.ops.image import batch_of_one

Size = tuple[int, int]
"""(height, width) of the picture."""


class DeeplabParameters(Parameters):
    """Limits of an answer."""

    most_numbers: int = Field(ge=1)
    """`return_all_probs` gives no more than so many probabilities."""


class Deeplab(SinglePassModel[Frame, Size, SegmentationOptions, Segmentation]):
    """Any graph that gives logits [n, height, width, classes] over the whole picture."""

    def __init__(self, card: ModelCard) -> None:
        self.card = card
        self._input, self._output = card.graphs["main"].single()
        self._picture = card.picture().format
        self._most = card.parameters_as(DeeplabParameters).most_numbers

    def preprocess(self, item: Frame, options: SegmentationOptions) -> Prepared[Size]:
        fed = {self._input: batch_of_one(item.pixels(self._picture))}
        return Prepared(fed, (item.height, item.width))

    def postprocess(self, outputs: Tensors, context: Size, options: SegmentationOptions) -> Segmentation:
        logits = outputs[self._output][0]
        if logits.ndim != 3 or logits.shape[2] != len(self.card.labels) or not np.isfinite(logits.sum()):
            raise InferenceError(
                f"the graph of {self.card.id} gives no numbers for each of {len(self.card.labels)} labels"
            )
        size = options.size_for(logits.shape[:2], context)
        planes = np.moveaxis(logits, 2, 0)
        every = self._probabilities(planes, size) if options.return_all_probs else None  # may refuse: first
        best, classes = masks.winners(planes, size)
        return Segmentation(*encoded_classes(best, classes, options.mask_encoding), class_probs=every)

    def _probabilities(self, planes: NDArray[np.float32], size: Size) -> NDArray[np.float32]:
        """Of every class [classes, height, width]."""
        if len(planes) * size[0] * size[1] > self._most:
            raise TooLarge(
                f"`return_all_probs` of {size[0]} x {size[1]} pixels is over {self._most} numbers; ask for a "
                "smaller `output_size`"
            )
        return rounded(scores.softmax(masks.resized(planes, size), axis=0))


@hookimpl
def register_models(register: Register) -> None:
    register(Deeplab(ModelCard.load(Path(__file__).with_name("card.yaml"))))
