"""SPAN: a picture, or a video, at a multiple of its size, in tiles that are not long in work.

Paper: https://arxiv.org/abs/2311.12770.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from edged import (
    CardError,
    Enlarged,
    Frame,
    Model,
    ModelCard,
    Options,
    Parameters,
    PixelFormat,
    Pixels,
    Register,
    Run,
    Shape,
    Tools,
    hookimpl,
)
from edged.ops.image import batch_of_one, pixels_of
from edged.ops.tiles import stitched

from .graph import build
from .video import SpanVideo


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
        super().__init__(card)
        self._input, self._output = card.graphs["main"].single()
        self._colour = card.picture().colour
        self._numbers = card.parameters_as(SpanParameters)

    def shapes(self, graph: str) -> Mapping[str, Shape]:
        return {self._output: (1, 3, None, None)}

    def build_graph(self, name: str, files: Mapping[str, Path]) -> Any:
        named = {path.suffix: path for path in files.values()}
        if set(named) != {".param", ".bin"}:
            raise CardError("SPAN is built of one .param and one .bin file")
        return build(named[".param"], named[".bin"], self._input, self._output)

    def infer(self, item: Frame, options: Options, tools: Tools, run: Run) -> Enlarged:
        numbers, session = self._numbers, tools.sessions["main"]

        def enlarged(tile: Pixels) -> Pixels:
            rgb = session.run({self._input: batch_of_one(tile)})[self._output][0]
            return pixels_of(rgb[::-1])

        bgr = stitched(
            item.pixels(PixelFormat(colour=self._colour)),
            enlarged,
            side=numbers.tile,
            overlap=numbers.overlap,
            factor=numbers.factor,
            check=run.check,
        )
        return Enlarged(bgr)


@hookimpl
def register_models(register: Register) -> None:
    register(Span, "x2.yaml", "x4.yaml")
    register(SpanVideo, "video.yaml")
