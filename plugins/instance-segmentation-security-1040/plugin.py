"""Mask R-CNN of Open Model Zoo: a picture in, objects with masks out. Every number and label is in the card.

Paper: https://arxiv.org/abs/1703.06870. The graph gives boxes with scores, classes, and for each box a small
map of how likely each of its parts is the object.
"""

from pathlib import Path

import numpy as np
from pydantic import Field

from edged import (
    CardError,
    DetectionOptions,
    Detections,
    Frame,
    InferenceError,
    InstanceMasks,
    ModelCard,
    Parameters,
    Prepared,
    Register,
    Rle,
    SinglePassModel,
    Tensors,
    hookimpl,
)
from edged.ops import boxes, masks
from edged.ops.image import Placement, batch_of_one, place

OUTPUTS = ("boxes", "labels", "masks")
"""[n, 5]: x1, y1, x2, y2 and score; [n]: class; [n, rows, columns]: probabilities."""


class MaskRcnnParameters(Parameters):
    """What a card says about the maps of a Mask R-CNN."""

    mask_threshold: float = Field(gt=0, lt=1)
    """From this probability on a pixel belongs to the object."""


class MaskRcnn(SinglePassModel[Frame, tuple[Placement, tuple[int, int]], DetectionOptions, InstanceMasks]):
    """A Mask R-CNN as OpenVINO's training extensions export it; the context also holds the picture's size."""

    def __init__(self, card: ModelCard) -> None:
        self.card = card
        graph = card.graphs["main"]
        if len(graph.inputs) != 1 or set(graph.outputs) != set(OUTPUTS):
            raise CardError(f"the plugin wants one picture and the outputs {', '.join(OUTPUTS)}")
        (self._input,) = graph.inputs
        self._picture = card.picture().format
        self._threshold = card.parameters_as(MaskRcnnParameters).mask_threshold
        self._names = card.class_names()

    def preprocess(
        self, item: Frame, options: DetectionOptions
    ) -> Prepared[tuple[Placement, tuple[int, int]]]:
        size = item.height, item.width
        picture = batch_of_one(item.pixels(self._picture))
        return Prepared({self._input: picture}, (place(*size, self._picture), size))

    def postprocess(
        self, outputs: Tensors, context: tuple[Placement, tuple[int, int]], options: DetectionOptions
    ) -> InstanceMasks:
        rows, labels, patches = (outputs[name] for name in OUTPUTS)
        if rows.shape[1:] != (5,) or labels.shape != rows.shape[:1] or patches.shape[:-2] != labels.shape:
            raise InferenceError(f"the graph of {self.card.id} does not give boxes, labels and masks")
        if not (np.isfinite(rows).all() and np.isfinite(patches).all()):
            raise InferenceError(f"the graph of {self.card.id} gives values that are not finite")
        sure = rows[:, 4] >= options.score_threshold
        rows, classes, patches = rows[sure], labels[sure].astype(int), patches[sure]
        if ((classes < 0) | (classes >= len(self._names))).any():
            raise InferenceError(f"the graph of {self.card.id} names classes that the card does not list")
        placed, size = context
        xyxy, scores = placed.to_source(rows[:, :4]), rows[:, 4]
        best = boxes.nms(xyxy, scores, classes, options.iou_threshold)[: options.max_detections]
        found = Detections.from_arrays(xyxy[best], scores[best], classes[best], self._names)
        inside = (masks.pasted(patches[i], xyxy[i], size, self._threshold) for i in best)
        return InstanceMasks.from_detections(
            found, [Rle(masks.rle_counts(mask), list(size)) for mask in inside]
        )


@hookimpl
def register_models(register: Register) -> None:
    register(MaskRcnn(ModelCard.load(Path(__file__).with_name("card.yaml"))))
