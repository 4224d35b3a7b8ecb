"""YuNet: one picture in, boxes of faces and five landmarks each out. Every number is in the card.

Paper: https://doi.org/10.1007/s11633-023-1423-y. At each cell of three grids the graph gives the probability
of a face, how well the box fits, the box (centre relative to the cell, logarithm of the size) and landmarks.

It has seen no faces that fill a large canvas, and of those it finds parts, so it looks twice: at a small
canvas for large faces, at a large one for small faces.
"""

from collections.abc import Mapping

import numpy as np
from pydantic import Field

from edged import (
    CardError,
    FaceDetectionOptions,
    Faces,
    Frame,
    InferenceError,
    Model,
    ModelCard,
    Parameters,
    PixelFormat,
    Register,
    Run,
    Shape,
    Tensors,
    Tools,
    hookimpl,
)
from edged.ops import boxes
from edged.ops.image import batch_of_one, place

PARTS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
"""Outputs of the graph, one for each stride (`cls_8`), and how many numbers each has for a cell."""


class YunetParameters(Parameters):
    """What a card says about a YuNet."""

    strides: tuple[int, ...] = Field(min_length=1)
    """Pixels between the cells of each grid; sides of a canvas are multiples of the last."""
    small_canvas: int = Field(ge=32)
    """To so many pixels the longer side of every picture is brought first."""
    large_canvas: int = Field(ge=32)
    """To so many pixels, but never up, the longer side is brought then; where the small canvas is no
    smaller, there is no second look."""
    largest: int = Field(ge=1)
    """Faces whose longer side is more pixels of the large canvas are left to the small one."""


class Yunet(Model[Frame, FaceDetectionOptions, Faces]):
    """A YuNet of free size. A canvas has the shape of the picture, so that little is padding."""

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card)
        self._numbers = card.parameters_as(YunetParameters)
        graph = card.graphs["main"]
        (self._input,) = graph.inputs
        if set(graph.outputs) != {f"{part}_{s}" for part in PARTS for s in self._numbers.strides}:
            raise CardError("the plugin wants the outputs cls, obj, bbox and kps of each stride")
        self._picture = card.picture()

    def shapes(self, graph: str) -> Mapping[str, Shape]:
        """The canvas, and so the number of cells, is another one for each picture."""
        counts = PARTS.items()
        strides = self._numbers.strides
        return {f"{part}_{s}": (1, f"cells {s}", count) for part, count in counts for s in strides}

    def infer(self, item: Frame, options: FaceDetectionOptions, tools: Tools, run: Run) -> Faces:
        numbers, threshold = self._numbers, options.score_threshold
        found = self._look(item, numbers.small_canvas, threshold, tools)
        fine = min(numbers.large_canvas, max(item.height, item.width))
        if fine > numbers.small_canvas:
            run.check()
            sharp = self._look(item, fine, threshold, tools)
            sides = np.ptp(sharp.boxes.reshape(-1, 2, 2), axis=1).max(axis=1, initial=0)
            small = sides * fine <= numbers.largest * max(item.height, item.width)
            found = _merged(_chosen(sharp, small), found, options.iou_threshold)
        best = boxes.nms(found.boxes, found.scores, np.zeros(len(found), int), options.iou_threshold)
        return _chosen(found, best[: options.max_faces])

    def _look(self, item: Frame, longest: int, threshold: float, tools: Tools) -> Faces:
        """All cells that are sure of a face, on one canvas."""
        strides, step = self._numbers.strides, self._numbers.strides[-1]
        scale = longest / max(item.height, item.width)
        height, width = (max(1, -(-round(s * scale) // step)) * step for s in (item.height, item.width))
        wanted = PixelFormat((height, width), self._picture.fit, self._picture.colour, self._picture.pad)
        placed = place(item.height, item.width, wanted)
        outputs = tools.sessions["main"].run({self._input: batch_of_one(item.pixels(wanted))})
        sure, raw, points = self._read(outputs, len(boxes.grid((height, width), strides)[1]))
        cells = np.flatnonzero(sure >= threshold)
        corners, steps = (each[cells] for each in boxes.grid((height, width), strides))
        shrunk = np.array([placed.scale_x, placed.scale_y], np.float32)
        xyxy = boxes.decode_anchor_free(raw[cells], cells, (height, width), strides)
        landmarks = (points[cells].reshape(-1, 5, 2) + corners[:, None]) * steps[:, None]
        return Faces((xyxy.reshape(-1, 2, 2) / shrunk).reshape(-1, 4), sure[cells], landmarks / shrunk)

    def _read(self, outputs: Tensors, cells: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Score [cells], box [cells, 4] and landmarks [cells, 10] of all strides, one after the other."""
        strides = self._numbers.strides
        read = [np.concatenate([outputs[f"{part}_{s}"] for s in strides], axis=1)[0] for part in PARTS]
        face, fit, raw, points = read
        if len(raw) != cells:
            raise InferenceError(
                f"the graph of {self.card.id} gives {len(raw)} cells for a canvas of {cells}"
            )
        return np.sqrt(np.clip(face, 0, 1) * np.clip(fit, 0, 1))[:, 0], raw, points


def _merged(sharp: Faces, coarse: Faces, iou_threshold: float) -> Faces:
    """What was seen sharply, for its landmarks are better, and what was seen only on the small canvas."""
    again = boxes.iou(coarse.boxes, sharp.boxes).max(axis=1, initial=0) > iou_threshold
    rest = _chosen(coarse, ~again)
    return Faces(*(np.concatenate([getattr(f, name) for f in (sharp, rest)]) for name in Faces.__slots__))


def _chosen(faces: Faces, rows: np.ndarray) -> Faces:
    return Faces(faces.boxes[rows], faces.scores[rows], faces.landmarks[rows])


@hookimpl
def register_models(register: Register) -> None:
    register(Yunet)
