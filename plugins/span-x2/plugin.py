"""SPAN: a picture at twice its size, in tiles that are no longer in work than a detection.

Paper: https://arxiv.org/abs/2311.12770.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from edged import (
    CardError,
    Enlarged,
    Frame,
    InferenceError,
    Model,
    ModelCard,
    Options,
    Parameters,
    PixelFormat,
    Register,
    Run,
    Tools,
    hookimpl,
)
from edged.ops.image import batch_of_one
from edged.ops.tiles import Stitch, tiles

from .graph import build


class SpanParameters(Parameters):
    """How large pictures are cut."""

    factor: int = Field(ge=2, le=4)
    """So many times as large."""
    tile: int = Field(ge=32)
    """Side of a tile, pixels."""
    overlap: int = Field(ge=0)
    """What neighbouring tiles share, pixels; half of it covers what the network sees around a pixel."""


class Span(Model[Frame, Options, Enlarged]):
    """A SPAN of one factor, over a graph for pictures of any size."""

    def __init__(self, card: ModelCard) -> None:
        self.card = card
        self._input, self._output = card.graphs["main"].single()
        self._colour = card.picture().colour
        self._numbers = card.parameters_as(SpanParameters)

    def build_graph(self, name: str, files: Mapping[str, Path]) -> Any:
        named = {path.suffix: path for path in files.values()}
        if set(named) != {".param", ".bin"}:
            raise CardError("SPAN is built of one .param and one .bin file")
        return build(named[".param"], named[".bin"], self._input, self._output)

    def infer(self, item: Frame, options: Options, tools: Tools, run: Run) -> Enlarged:
        numbers, picture = self._numbers, item.pixels(PixelFormat(colour=self._colour))
        stitch = Stitch(item.height, item.width, numbers.factor)
        cut = list(tiles(item.height, item.width, numbers.tile, numbers.overlap))
        for done, tile in enumerate(cut):
            run.check()
            run.progress(done / len(cut))
            left, top, right, bottom = tile
            part = batch_of_one(np.ascontiguousarray(picture[top:bottom, left:right]))
            planes = tools.sessions["main"].run({self._input: part})[self._output][0]
            if not np.isfinite(planes.sum()):
                raise InferenceError(f"the graph of {self.card.id} gives values that are not finite")
            enlarged = (np.clip(np.moveaxis(planes, 0, 2), 0, 1) * 255).round().astype(np.uint8)
            stitch.put(tile, enlarged[..., ::-1], numbers.overlap)
        return Enlarged(stitch.pixels)


@hookimpl
def register_models(register: Register) -> None:
    register(Span(ModelCard.load(Path(__file__).with_name("card.yaml"))))
