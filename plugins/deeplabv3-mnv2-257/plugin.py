"""DeepLab v3: one picture in, the class of every pixel out. Every number and label is in the card.

Paper: https://arxiv.org/abs/1706.05587, on MobileNet v2, https://arxiv.org/abs/1801.04381.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edged import (
    Frame,
    InferenceError,
    ModelCard,
    Prepared,
    Register,
    Segmentation,
    SegmentationOptions,
    SinglePassModel,
    Tensors,
    hookimpl,
)
from edged.media.masks import encoded_classes, rounded
from edged.ops import masks, scores
from edged.ops.image import batch_of_one

Size = tuple[int, int]
"""(height, width) of the picture."""


class Deeplab(SinglePassModel[Frame, Size, SegmentationOptions, Segmentation]):
    """Any graph that gives logits [n, height, width, classes] over the whole picture."""

    def __init__(self, card: ModelCard) -> None:
        self.card = card
        self._input, self._output = card.graphs["main"].single()
        self._picture = card.picture().format

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
        planes = masks.resized(np.moveaxis(logits, 2, 0), size)
        classes = planes.argmax(axis=0).astype(np.uint8)
        if not options.return_all_probs:
            return Segmentation(*encoded_classes(_best(planes), classes, options.mask_encoding))
        probabilities = scores.softmax(planes, axis=0)
        best = probabilities.max(axis=0)
        return Segmentation(
            *encoded_classes(best, classes, options.mask_encoding), class_probs=rounded(probabilities)
        )


def _best(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """The largest probability at each pixel [h, w] of logits [c, h, w], without those of the other
    classes."""
    return np.asarray(1 / np.exp(planes - planes.max(axis=0)).sum(axis=0), np.float32)


@hookimpl
def register_models(register: Register) -> None:
    register(Deeplab(ModelCard.load(Path(__file__).with_name("card.yaml"))))
