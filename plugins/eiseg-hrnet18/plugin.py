"""EISeg: a box of another model's detector in, the object's mask out, by clicks that the box suggests.

Paper: Sofiiuk et al., https://arxiv.org/abs/2102.06583 (RITM); weights of PaddleSeg's EISeg. The graph eats a
crop and three maps: an earlier mask, here none, clicks on the object and clicks beside it. Every number is in
the card.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from edged import (
    CardError,
    DetectionOptions,
    Detections,
    Frame,
    InstanceMasks,
    Model,
    ModelCard,
    Parameters,
    PixelFormat,
    Pixels,
    Register,
    Run,
    Session,
    Shape,
    Tools,
    hookimpl,
)
from edged.ops import boxes
from edged.ops.image import batch_of_one

from .prompts import Box, Crop, Floats, Patch, along, beside, disks, spread

CLICKS = "coord_features"
"""The input with the three maps."""


class EisegParameters(Parameters):
    """What a card says about a click-prompted graph."""

    expand: float = Field(ge=1)
    """The crop is so many times as large as the box."""
    smallest_crop: float = Field(ge=1)
    """But its sides are not less, pixels of the picture."""
    radius: float = Field(gt=0)
    """Of a click's disk, pixels of the canvas."""
    share: float = Field(gt=0, lt=0.5)
    """Clicks on the object are so far from the box's middle, as a share of its sides."""
    gap: float = Field(gt=0)
    """Clicks beside the object are so far outside of the box, pixels of the canvas."""
    same_iou: float = Field(gt=0, le=1)
    """Two boxes that overlap by as much hold one object, whatever it is taken for."""
    widen: float = Field(ge=0, le=1)
    """A mask may reach over its box by this share of the box's sides."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """An object that has its mask."""

    box: Box
    patch: Patch
    logits: Floats
    crop: Crop
    clicks: Floats
    """Points [n, 2] of its clicks that lie on its mask, y, x."""


class Eiseg(Model[Frame, DetectionOptions, InstanceMasks]):
    """A detector, and for each of its boxes one pass of the graph `mask`, surest box first.

    An object in front of another would be taken for a part of it. So where one lies was found is no place to
    click for the next, unless to say that it is not meant.
    """

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card)
        graph = card.graphs["mask"]
        if CLICKS not in graph.inputs or len(graph.inputs) != 2 or len(graph.outputs) != 1:
            raise CardError(f"the plugin wants a picture, {CLICKS!r} and one output")
        (self._input,) = (name for name in graph.inputs if name != CLICKS)
        (self._output,) = graph.outputs
        self._numbers = card.parameters_as(EisegParameters)
        self._canvas = card.picture("mask").fixed_size
        self._colour = card.picture("mask").colour

    def shapes(self, graph: str) -> Mapping[str, Shape]:
        return {self._output: (1, 1, *self._canvas)}

    def infer(self, item: Frame, options: DetectionOptions, tools: Tools, run: Run) -> InstanceMasks:
        found: Detections = tools.models["detector"].infer(item, run, **options.model_dump())
        seen: list[_Seen] = []
        for left, top, right, bottom in found.boxes.tolist():
            run.check()
            picture = item.pixels(PixelFormat(colour=self._colour))
            seen.append(self._segment((top, left, bottom, right), seen, picture, tools.sessions["mask"]))
            run.progress(len(seen) / len(found))
        return InstanceMasks.of(found, [one.patch for one in seen], (item.height, item.width))

    def _segment(self, box: Box, seen: Sequence[_Seen], picture: Pixels, session: Session) -> _Seen:
        """The mask of one object of the picture, which knows those that were `seen` before."""
        numbers = self._numbers
        for other, overlap in zip(seen, _overlaps(box, seen), strict=True):
            if overlap >= numbers.same_iou:
                patch = other.crop.mask(other.logits, box, numbers.widen)
                return _Seen(box, patch, other.logits, other.crop, other.clicks)
        size = picture.shape[0], picture.shape[1]
        crop = Crop.around(box, size, self._canvas, numbers.expand, numbers.smallest_crop)
        clicks = self._clicks(box, seen)
        away = np.concatenate([beside(box, numbers.gap / crop.scale), *(other.clicks for other in seen)])
        logits = self._run(crop, picture, clicks, away, session)
        patch = crop.mask(logits, box, numbers.widen)
        return _Seen(box, patch, logits, crop, clicks[patch.holds(clicks)])

    def _clicks(self, box: Box, others: Sequence[_Seen]) -> Floats:
        """Points [n, 2] on the object, at least one: on the box's axis, where no other object lies."""
        on_axis = along(box, self._numbers.share)
        for points in (on_axis, spread(box, self._numbers.share)):
            free = (
                points[~np.any([other.patch.holds(points) for other in others], axis=0)] if others else points
            )
            if len(free):
                return free
        return on_axis

    def _run(self, crop: Crop, picture: Pixels, on: Floats, away: Floats, session: Session) -> Floats:
        """The map of the canvas, over 0 where the object is."""
        radius, canvas = self._numbers.radius, self._canvas
        drawn = [disks(crop.on_canvas(points), canvas, radius) for points in (on, away)]
        maps = np.stack([np.zeros(canvas, np.float32), *drawn])[None]
        fed = {self._input: batch_of_one(crop.cut(picture)), CLICKS: maps}
        return np.asarray(session.run(fed)[self._output][0, 0])


def _overlaps(box: Box, seen: Sequence[_Seen]) -> Floats:
    return np.asarray(boxes.iou(np.array([box]), np.array([other.box for other in seen]).reshape(-1, 4))[0])


@hookimpl
def register_models(register: Register) -> None:
    register(Eiseg)
