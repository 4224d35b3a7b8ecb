"""A video at two or four times its size, picture by picture, in tiles of which several are in work."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from pydantic import Field

from edged import (
    EnlargedVideo,
    EnlargementOptions,
    Frame,
    Model,
    ModelCard,
    Parameters,
    Part,
    PixelFormat,
    Pixels,
    Run,
    Tools,
    Video,
)
from edged.media.frame import PictureFrame
from edged.ops.tiles import Stitch, Tile, snug_tiles


class TileParameters(Parameters):
    """How its pictures are cut."""

    tile: int = Field(ge=32)
    """Side of a tile, pixels."""
    overlap: int = Field(ge=0)
    """What neighbouring tiles share, pixels."""
    at_once: int = Field(ge=1)
    """Tiles that are in work or wait for their turn at a time."""
    strength: float = Field(ge=0, le=1)
    """Share of the models in a pixel; the rest is bicubic interpolation. Of a video that was compressed they
    sharpen what is no detail, too; README.md has what which share gains."""


@dataclass(frozen=True, slots=True)
class _Begun:
    """A picture whose tiles are in work."""

    small: Pixels
    at_us: int
    large: Stitch
    tiles: Mapping[Tile, Future[Pixels] | None]
    """None: the same as in the picture before."""


class SpanVideo(Model[Video, EnlargementOptions, EnlargedVideo]):
    """A video over models that enlarge a picture: `x2` and `x4`."""

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card)
        self._numbers = card.parameters_as(TileParameters)

    def infer(self, item: Video, options: EnlargementOptions, tools: Tools, run: Run) -> EnlargedVideo:
        part = tools.models[f"x{options.scale}"]
        return EnlargedVideo(self._pictures(item.frames(), part, options.scale, run))

    def _pictures(
        self, frames: Iterator[Frame], part: Part, factor: int, run: Run
    ) -> Iterator[tuple[Pixels, int]]:
        """Each is begun before the one ahead of it is taken, so that there always is a tile to work on."""
        pool, last = ThreadPoolExecutor(self._numbers.at_once, "tiles"), None
        before = None
        try:
            for frame in frames:
                next_ = self._begun(frame, last, factor, partial(self._enlarged, part, run), pool)
                if last is not None:
                    before = self._done(last, before, run)
                    yield before, last.at_us
                last = next_
            if last is not None:
                yield self._done(last, before, run), last.at_us
        finally:
            pool.shutdown(cancel_futures=True)

    def _begun(
        self,
        frame: Frame,
        last: _Begun | None,
        factor: int,
        enlarge: Callable[[Pixels], Pixels],
        pool: Executor,
    ) -> _Begun:
        small = frame.pixels(PixelFormat())
        height, width, _ = small.shape
        large = Stitch(height, width, factor)
        tiles: dict[Tile, Future[Pixels] | None] = {}
        for place in snug_tiles(height, width, self._numbers.tile, self._numbers.overlap):
            left, top, right, bottom = place
            tile = np.ascontiguousarray(small[top:bottom, left:right])
            same = last is not None and np.array_equal(tile, last.small[top:bottom, left:right])
            tiles[place] = None if same else pool.submit(enlarge, tile)
        return _Begun(small, round(frame.captured_at * 1e6), large, tiles)

    def _enlarged(self, part: Part, run: Run, tile: Pixels) -> Pixels:
        run.check()
        fine, share = part.infer(PictureFrame(tile, 0.0), run).pixels, self._numbers.strength
        plain = cv2.resize(tile, fine.shape[1::-1], interpolation=cv2.INTER_CUBIC)
        return np.asarray(cv2.addWeighted(fine, share, plain, 1 - share, 0), np.uint8)

    def _done(self, begun: _Begun, before: Pixels | None, run: Run) -> Pixels:
        """Once all tiles are there; what is as `before` in the small picture, is so in the large one.

        They are laid in their order, whichever was ready first: neighbours share pixels.
        """
        for place, tile in begun.tiles.items():
            run.check()
            if tile is not None:
                begun.large.put(place, tile.result(), self._numbers.overlap)
            elif before is not None:
                left, top, right, bottom = (begun.large.factor * edge for edge in place)
                begun.large.put(place, before[top:bottom, left:right], self._numbers.overlap)
        return begun.large.pixels
