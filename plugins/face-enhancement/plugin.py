"""Faces, restored within their picture: each as its own damage asks for, and blended back without a seam.

FFDNet takes away noise and the blocks of JPEG; what is soft becomes crisper by SPAN. A face that shows no
damage stays as it is. GFPGAN, https://arxiv.org/abs/2101.04061, paints the face anew instead.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edged import (
    EnhancedFaces,
    EnhancementOptions,
    Faces,
    Frame,
    Model,
    ModelCard,
    Parameters,
    PixelFormat,
    Pixels,
    Register,
    Run,
    Shape,
    Tools,
    hookimpl,
)
from edged.media.frame import PictureFrame
from edged.ops import faces
from edged.ops.image import batch_of_one, pixels_of
from edged.ops.tiles import stitched

from .damage import damage_of
from .graph import build


class RestoreParameters(Parameters):
    """What is done about which damage; README.md has what it gains."""

    margin: float = Field(ge=1)
    """Side of what is restored, as a multiple of the face's longer side."""
    feather: float = Field(ge=0, le=0.5)
    """Share of it over which it fades out."""
    blocky: float
    """Blocks of JPEG are taken away from this blockiness on, see damage.py."""
    block_sigma: float
    """As noise of this standard deviation, 0 to 255."""
    noisy: float
    """Noise is taken away from this estimate on, 0 to 255."""
    soft: float
    """A face without noise and with an estimate below this one is made crisper."""
    small: float
    """A face of a longer side below this one should not be soft, pixels."""
    crisp: float
    """Share of what is finer than `crisp_sigma` that is added."""
    crisp_sigma: float
    """Pixels."""
    tile: int
    """Side of a tile, even, pixels."""
    overlap: int
    """Of tiles, even, pixels."""


class Restore(Model[Frame, EnhancementOptions, EnhancedFaces]):
    """The graph `denoise`, over the models `faces` and `enlarge`."""

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card)
        graph = card.graphs["denoise"]
        self._image, self._sigma = graph.inputs
        (self._cleaned,) = graph.outputs
        self._numbers = card.parameters_as(RestoreParameters)

    def shapes(self, graph: str) -> Mapping[str, Shape]:
        return {self._cleaned: (1, 3, None, None)}

    def build_graph(self, name: str, files: Mapping[str, Path]) -> Any:
        (checkpoint,) = files.values()
        return build(checkpoint, self._image, self._sigma, self._cleaned)

    def infer(self, item: Frame, options: EnhancementOptions, tools: Tools, run: Run) -> EnhancedFaces:
        numbers = self._numbers
        found = _found(item, options, tools, run)
        picture = item.pixels(PixelFormat()).copy() if len(found) else item.pixels(PixelFormat())
        for box in found.boxes:
            left, top, right, bottom = _square(box, numbers.margin, picture.shape[:2])
            if right - left < 2 or bottom - top < 2:
                continue
            chip = np.ascontiguousarray(picture[top:bottom, left:right])
            restored = self._restored(chip, (box[2:] - box[:2]).max() < numbers.small, tools, run)
            if restored is not chip:
                shift = np.array([[1.0, 0, -left], [0, 1, -top]])
                faces.blended(picture, restored, shift, numbers.feather, options.strength)
        return EnhancedFaces(picture, found.boxes)

    def _restored(self, chip: Pixels, small: bool, tools: Tools, run: Run) -> Pixels:
        """The chip itself when it shows no damage; a large face may be soft, for so is skin."""
        numbers, damage = self._numbers, damage_of(chip)
        if damage.blocks >= numbers.blocky:
            return self._denoised(chip, numbers.block_sigma, tools, run)
        if damage.noise >= numbers.noisy:
            return self._denoised(chip, damage.noise, tools, run)
        if damage.noise < numbers.soft and small:
            return self._crisper(chip, tools, run)
        return chip

    def _denoised(self, chip: Pixels, sigma: float, tools: Tools, run: Run) -> Pixels:
        given = np.full((1, 1, 1, 1), sigma / 255, np.float32)

        def cleaned(tile: Pixels) -> Pixels:
            rgb = batch_of_one(np.ascontiguousarray(tile[..., ::-1]))
            planes = tools.sessions["denoise"].run({self._image: rgb, self._sigma: given})[self._cleaned][0]
            return pixels_of(planes)[..., ::-1]

        numbers = self._numbers
        return stitched(
            chip,
            cleaned,
            side=numbers.tile,
            overlap=numbers.overlap,
            factor=1,
            check=run.check,
        )

    def _crisper(self, chip: Pixels, tools: Tools, run: Run) -> Pixels:
        """What is soft at its size is not soft at half of it; SPAN knows what belongs between."""
        height, width = chip.shape[:2]
        half = cv2.resize(chip, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        large = tools.models["enlarge"].infer(PictureFrame(np.asarray(half, np.uint8), 0.0), run).pixels
        fine = large.astype(np.float32)
        fine += self._numbers.crisp * (fine - cv2.GaussianBlur(fine, (0, 0), self._numbers.crisp_sigma))
        return np.asarray(np.clip(fine.round(), 0, 255), np.uint8)


class GfpganParameters(Parameters):
    """How a face is laid under the graph."""

    template: tuple[tuple[float, float], ...] = Field(min_length=5, max_length=5)
    """Where the five landmarks go, x and y in pixels of the graph's input."""
    feather: float = Field(ge=0, le=0.5)
    """Share of the chip over which it fades out."""


class Gfpgan(Model[Frame, EnhancementOptions, EnhancedFaces]):
    """Any graph that gives a restored face [1, 3, h, w], RGB of -1 to 1, for an aligned one, over `faces`."""

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card)
        self._input, self._output = card.graphs["main"].single()
        self._size = card.picture().fixed_size
        self._numbers = card.parameters_as(GfpganParameters)

    def shapes(self, graph: str) -> Mapping[str, Shape]:
        return {self._output: (1, 3, *self._size)}

    def infer(self, item: Frame, options: EnhancementOptions, tools: Tools, run: Run) -> EnhancedFaces:
        found = _found(item, options, tools, run)
        picture = item.pixels(PixelFormat()).copy() if len(found) else item.pixels(PixelFormat())
        template = np.array(self._numbers.template)
        for landmarks in found.landmarks:
            run.check()
            chip, matrix = faces.aligned(picture, landmarks, template, self._size)
            fed = {self._input: batch_of_one(np.ascontiguousarray(chip[..., ::-1]))}
            planes = tools.sessions["main"].run(fed)[self._output][0]
            face = pixels_of(planes / 2 + 0.5)
            faces.blended(picture, face[..., ::-1], matrix, self._numbers.feather, options.strength)
        return EnhancedFaces(picture, found.boxes)


def _found(item: Frame, options: EnhancementOptions, tools: Tools, run: Run) -> Faces:
    found: Faces = tools.models["faces"].infer(
        item, run, score_threshold=options.score_threshold, max_faces=options.max_faces
    )
    return found


def _square(box: NDArray[Any], margin: float, size: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom around a face, within the picture, all even.

    A picture that was enlarged has its grid there, and a half of it taken elsewhere would not fit the grid.
    """
    centre, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]).max() * margin / 2
    left, top = (int(v) // 2 * 2 for v in np.maximum(np.floor(centre - half), 0))
    right, bottom = (int(v) // 2 * 2 for v in np.minimum(np.ceil(centre + half), size[1::-1]))
    return left, top, right, bottom


@hookimpl
def register_models(register: Register) -> None:
    register(Restore)
    register(Gfpgan, "gfpgan.yaml")
