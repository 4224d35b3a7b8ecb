"""Counts the products on a shelf: a detector proposes, whatever they are, and an embedding names each of
them.

Small products are found in tiles of the picture. What the detector calls them is not looked at, but for
things that are no products. Names come from the shop's gallery: the nearest enrolled picture, if it is near
enough.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edged import (
    UNKNOWN,
    Detections,
    Frame,
    GalleryIndex,
    InventoryOptions,
    Model,
    ModelCard,
    Parameters,
    Register,
    Run,
    ShelfCount,
    Tools,
    hookimpl,
)
from edged.ops import embedding
from edged.ops.tiles import Tile, tiles, whole

from .distinct import distinct

Floats = NDArray[np.floating]
Proposals = tuple[Floats, Floats]
"""Boxes [n, 4] of x1, y1, x2, y2 in pixels of the picture, and scores [n]."""


class ShelfParameters(Parameters):
    """How a shelf is looked at."""

    tile: int = Field(ge=64)
    """Side of a tile, pixels; a picture that is not much larger is looked at as a whole only."""
    overlap: float = Field(ge=0, lt=1)
    """Share of a tile that the next one sees too, at least."""
    edge: float = Field(ge=0)
    """A box that ends nearer to an inner edge of its tile is cut off by it, pixels."""
    covered: float = Field(gt=0, le=1)
    """Share of a box within a better one from which on it is no product of its own."""
    largest: float = Field(gt=0, le=1)
    """A box that covers more than this share of the picture is no product."""
    never: tuple[str, ...]
    """Classes of the detector that are no products."""


class ShelfCounter(Model[Frame, InventoryOptions, ShelfCount]):
    """Proposals of the model `products`, named by the model `embedding` and the resource `gallery`."""

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card)
        self._numbers = card.parameters_as(ShelfParameters)

    def infer(self, item: Frame, options: InventoryOptions, tools: Tools, run: Run) -> ShelfCount:
        index: GalleryIndex = tools.resources["gallery"].index(run)
        xyxy, scores = self._products(item, options, tools, run)
        classes = np.zeros(len(xyxy), int)
        for position, box in enumerate(xyxy):
            run.check()
            run.progress(position / len(xyxy))
            classes[position] = _named(item.part(box), index, options.max_distance, tools, run)
        names = {0: UNKNOWN, **dict(zip(index.ids, index.skus, strict=True))}
        return ShelfCount(xyxy, scores, classes, names, (item.height, item.width))

    def _products(self, item: Frame, options: InventoryOptions, tools: Tools, run: Run) -> Proposals:
        """One box a product, best score first."""
        seen = [self._within(item, (0, 0, item.width, item.height), options, tools, run)]
        for tile in self._tiles(item):
            run.check()
            xyxy, scores = self._within(item.part(tile), tile, options, tools, run)
            uncut = whole(xyxy, tile, (item.height, item.width), self._numbers.edge)
            seen.append((xyxy[uncut], scores[uncut]))
        xyxy, scores = (np.concatenate(arrays) for arrays in zip(*seen, strict=True))
        areas = (xyxy[:, 2:] - xyxy[:, :2]).prod(axis=1)
        small = areas <= self._numbers.largest * item.width * item.height
        xyxy, scores = xyxy[small], scores[small]
        kept = distinct(xyxy, scores, options.iou_threshold, self._numbers.covered)[: options.max_detections]
        return xyxy[kept], scores[kept]

    def _tiles(self, item: Frame) -> Iterator[Tile]:
        """Every tile; none when the picture as a whole will do."""
        side = self._numbers.tile
        if max(item.width, item.height) > side * (1 + self._numbers.overlap):
            yield from tiles(item.height, item.width, side, round(side * self._numbers.overlap))

    def _within(
        self,
        part: Frame,
        tile: Tile,
        options: InventoryOptions,
        tools: Tools,
        run: Run,
    ) -> Proposals:
        """What the detector sees in a tile, in pixels of the whole picture."""
        found: Detections = tools.models["products"].infer(part, run, score_threshold=options.score_threshold)
        wanted = [i for i, name in enumerate(found.class_names) if name not in self._numbers.never]
        corner = np.array([tile[0], tile[1]] * 2, np.float32)
        return found.boxes[wanted] + corner, found.scores[wanted]


def _named(crop: Frame, index: GalleryIndex, farthest: float, tools: Tools, run: Run) -> int:
    """Class of a product: 0 when it is unknown, else the id of its SKU."""
    if not index.skus:
        return 0
    vector = tools.models["embedding"].infer(crop, run).vector
    nearest, distance = embedding.nearest(vector[None], index.vectors)
    return index.ids[int(index.owners[nearest[0]])] if distance[0] <= farthest else 0


@hookimpl
def register_models(register: Register) -> None:
    register(ShelfCounter)
