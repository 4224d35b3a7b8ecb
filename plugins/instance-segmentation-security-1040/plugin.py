"""Mask R-CNN of Open Model Zoo: a picture in, objects with masks out. Every number and label is in the card.

Paper: https://arxiv.org/abs/1703.06870. The graph gives boxes with scores, classes, and for each box a small
map of how likely each of its parts is the object.
"""

from collections.abc import Mapping

from pydantic import Field

from edged import (
    CardError,
    DetectionOptions,
    Frame,
    InferenceError,
    InstanceMasks,
    ModelCard,
    Parameters,
    PartMask,
    Prepared,
    Register,
    Shape,
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
        super().__init__(card)
        graph = card.graphs["main"]
        if len(graph.inputs) != 1 or set(graph.outputs) != set(OUTPUTS):
            raise CardError(f"the plugin wants one picture and the outputs {', '.join(OUTPUTS)}")
        (self._input,) = graph.inputs
        self._picture = card.picture().format
        self._threshold = card.parameters_as(MaskRcnnParameters).mask_threshold
        self._names = card.class_names()

    def shapes(self, graph: str) -> Mapping[str, Shape]:
        return {"boxes": ("n", 5), "labels": ("n",), "masks": ("n", None, None)}

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
        sure = rows[:, 4] >= options.score_threshold
        rows, classes, patches = rows[sure], labels[sure].astype(int), patches[sure]
        if ((classes < 0) | (classes >= len(self._names))).any():
            raise InferenceError(f"the graph of {self.card.id} names classes that the card does not list")
        placed, size = context
        xyxy, scores = placed.to_source(rows[:, :4]), rows[:, 4]
        best = boxes.nms(xyxy, scores, classes, options.iou_threshold)[: options.max_detections]
        inside = [PartMask(*masks.pasted_part(patches[i], xyxy[i], size, self._threshold)) for i in best]
        return InstanceMasks(xyxy[best], scores[best], classes[best], self._names, inside, size)


@hookimpl
def register_models(register: Register) -> None:
    register(MaskRcnn)
