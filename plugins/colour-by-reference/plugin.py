"""Colour for a gray picture from another one of the same scene: what looks alike in both has one colour.

What a place looks like is told by an embedding of gray pictures: DINOv2's, for which a wheel is a wheel in
any light. The light of every pixel stays; every number is in the card.
"""

from typing import NamedTuple

import cv2
import numpy as np
from pydantic import Field

from edged import (
    CardError,
    Frame,
    FramePair,
    Model,
    ModelCard,
    OutImage,
    Parameters,
    Part,
    PictureOptions,
    PixelFormat,
    Pixels,
    Register,
    Run,
    Tools,
    hookimpl,
)
from edged.media.frame import PictureFrame
from edged.ops.colour import Reals, along_light, colour_of_likest, lab, likeness, with_colour_of


class ColourParameters(Parameters):
    """What a card says about colouring by a reference."""

    grid: int = Field(ge=1, le=64)
    """A picture is so many rows of so many places."""
    light: float = Field(ge=0)
    """So much less alike for each unit of L (0 to 100) between two places."""
    most: int = Field(ge=1)
    """Colour comes from so many places of the reference."""
    softness: float = Field(gt=0)
    """A place that is less alike by this counts 1/e."""
    doubt: float = Field(ge=0)
    """How much the colour pales where these places disagree."""
    finest: int = Field(ge=64)
    """Pixels of the longer side at which colour is painted."""
    radius: float = Field(gt=0, lt=1)
    """Within which colour is spread along the light: of the shorter side."""
    smoothness: float = Field(gt=0)
    """Variance of light (0 to 1) below which there is no edge."""


class _Places(NamedTuple):
    """The places of a picture, row by row."""

    features: Reals
    """[n, d]: what they look like in gray."""
    light: Reals
    """[n]: L, 0 to 100, of the gray picture."""
    colour: Reals
    """[n, 2]: a and b."""


class ColourByReference(Model[FramePair, PictureOptions, OutImage]):
    """Any embedding that tells of places."""

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card)
        self._numbers = card.parameters_as(ColourParameters)

    def infer(self, item: FramePair, options: PictureOptions, tools: Tools, run: Run) -> OutImage:
        of, embedding = self._numbers, tools.models["embedding"]
        asked, known = (self._places(frame, embedding, run) for frame in (item.a, item.b))
        alike = likeness(asked.features, known.features)
        alike -= of.light * np.abs(asked.light[:, None] - known.light)
        colour = colour_of_likest(alike, known.colour, most=of.most, softness=of.softness, doubt=of.doubt)
        picture = item.a.pixels(PixelFormat())
        return OutImage(with_colour_of(self._painted(picture, colour), picture))

    def _places(self, frame: Frame, embedding: Part, run: Run) -> _Places:
        """Raises `CardError` for an embedding of whole pictures alone."""
        run.check()
        side, (height, width) = self._numbers.grid, embedding.card.picture().fixed_size
        bgr = cv2.resize(frame.pixels(PixelFormat()), (width, height), interpolation=cv2.INTER_AREA)
        gray = cv2.cvtColor(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        seen = embedding.infer(PictureFrame(gray, frame.captured_at), run).places
        if seen is None:
            raise CardError(f"{embedding.card.id} tells nothing of places, so {self.card.id} cannot use it")
        rows, columns = (np.arange(side) * length // side for length in seen.shape[:2])
        features = seen[rows][:, columns].reshape(side * side, -1)
        means = (cv2.resize(lab(one), (side, side), interpolation=cv2.INTER_AREA) for one in (gray, bgr))
        light, colour = (one.reshape(side * side, 3) for one in means)
        return _Places(features, light[:, 0], colour[:, 1:])

    def _painted(self, picture: Pixels, colour: Reals) -> Pixels:
        """The picture, no finer than is wanted, in these colours of its places."""
        of, (height, width) = self._numbers, picture.shape[:2]
        share = min(1.0, of.finest / max(height, width))
        size = max(1, round(width * share)), max(1, round(height * share))
        gray = cv2.resize(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), size, interpolation=cv2.INTER_AREA)
        coarse = cv2.resize(colour.reshape(of.grid, of.grid, 2), size, interpolation=cv2.INTER_CUBIC)
        fine = along_light(
            coarse, gray.astype(np.float32) / 255, max(2, round(of.radius * min(size))), of.smoothness
        )
        light = lab(cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR))[..., :1]
        painted = cv2.cvtColor(np.concatenate([light, fine], axis=2), cv2.COLOR_Lab2BGR)
        return np.asarray((painted * 255).round().clip(0, 255), np.uint8)


@hookimpl
def register_models(register: Register) -> None:
    register(ColourByReference)
