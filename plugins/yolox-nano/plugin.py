"""YOLOX: one picture in, boxes of objects out. Every number and label is in the card.

Paper: https://arxiv.org/abs/2107.08430. At each cell of its grids the graph gives centre, logarithm of the
size, objectness and the scores of the classes, the last two as probabilities.
"""

from collections.abc import Mapping

from pydantic import Field

from edged import (
    DetectionOptions,
    Detections,
    Frame,
    ModelCard,
    Parameters,
    Prepared,
    Register,
    RegisterDecoder,
    Shape,
    SinglePassModel,
    Tensors,
    hookimpl,
)
from edged.ops import boxes
from edged.ops.image import Placement, batch_of_one, place


class YoloxParameters(Parameters):
    """What a card says about a YOLOX head."""

    strides: tuple[int, ...] = Field(min_length=1)
    """Pixels between the cells of each grid, in the order of the output's rows."""


class Yolox(SinglePassModel[Frame, Placement, DetectionOptions, Detections]):
    """Any YOLOX with one picture input and one output [1, cells, 5 + classes], of any size and labels."""

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card)
        self._input, self._output = card.graphs["main"].single()
        self._picture = card.picture().format
        self._size = card.picture().fixed_size
        self._strides = card.parameters_as(YoloxParameters).strides
        self._names = card.class_names()

    def shapes(self, graph: str) -> Mapping[str, Shape]:
        return {self._output: (1, len(boxes.grid(self._size, self._strides)[0]), 5 + len(self._names))}

    def preprocess(self, item: Frame, options: DetectionOptions) -> Prepared[Placement]:
        placed = place(item.height, item.width, self._picture)
        return Prepared({self._input: batch_of_one(item.pixels(self._picture))}, placed)

    def postprocess(self, outputs: Tensors, context: Placement, options: DetectionOptions) -> Detections:
        raw = outputs[self._output]
        cells, classes, scores = boxes.confident(raw[0, :, 4], raw[0, :, 5:], options.score_threshold)
        on_canvas = boxes.decode_anchor_free(raw[0, cells, :4], cells, self._size, self._strides)
        xyxy = context.to_source(on_canvas)
        best = boxes.nms(xyxy, scores, classes, options.iou_threshold)[: options.max_detections]
        return Detections(xyxy[best], scores[best], classes[best], self._names)


@hookimpl
def register_models(register: Register) -> None:
    register(Yolox)


@hookimpl
def register_decoders(register: RegisterDecoder) -> None:
    register("yolox", Yolox)
