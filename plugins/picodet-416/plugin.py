"""PicoDet: one picture in, boxes of objects out. Every number and label is in the card.

Paper: https://arxiv.org/abs/2111.00902. The graph ends with the maker's own non-maximum suppression.
"""

from collections.abc import Mapping

import numpy as np

from edged import (
    CardError,
    DetectionOptions,
    Detections,
    Frame,
    InferenceError,
    ModelCard,
    Prepared,
    Register,
    Shape,
    SinglePassModel,
    Tensors,
    hookimpl,
)
from edged.ops import boxes
from edged.ops.image import Placement, batch_of_one, place

SCALE_FACTOR = "scale_factor"
"""The input by which the graph divides its boxes."""

ON_CANVAS = np.ones((1, 2), np.float32)
"""Boxes stay in pixels of the canvas: `Placement` brings them back, and clips them to the picture."""


class Picodet(SinglePassModel[Frame, Placement, DetectionOptions, Detections]):
    """A PicoDet as PaddleDetection exports it: rows of class, score, x1, y1, x2, y2."""

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card)
        graph = card.graphs["main"]
        if SCALE_FACTOR not in graph.inputs or len(graph.inputs) != 2 or len(graph.outputs) != 1:
            raise CardError(f"the plugin wants a picture, {SCALE_FACTOR!r} and one output")
        (self._input,) = (name for name in graph.inputs if name != SCALE_FACTOR)
        (self._output,) = graph.outputs
        self._picture = card.picture().format
        self._names = card.class_names()

    def shapes(self, graph: str) -> Mapping[str, Shape]:
        return {self._output: (None, 6)}

    def preprocess(self, item: Frame, options: DetectionOptions) -> Prepared[Placement]:
        picture = batch_of_one(item.pixels(self._picture))
        fed: Tensors = {self._input: picture, SCALE_FACTOR: ON_CANVAS}
        return Prepared(fed, place(item.height, item.width, self._picture))

    def postprocess(self, outputs: Tensors, context: Placement, options: DetectionOptions) -> Detections:
        rows = outputs[self._output]
        if not ((rows[:, 0] >= 0) & (rows[:, 0] < len(self._names))).all():
            raise InferenceError(f"the graph of {self.card.id} names classes that the card does not list")
        rows = rows[rows[:, 1] >= options.score_threshold]
        classes, scores = rows[:, 0].astype(int), rows[:, 1]
        xyxy = context.to_source(rows[:, 2:])
        best = boxes.nms(xyxy, scores, classes, options.iou_threshold)[: options.max_detections]
        return Detections(xyxy[best], scores[best], classes[best], self._names)


@hookimpl
def register_models(register: Register) -> None:
    register(Picodet)
