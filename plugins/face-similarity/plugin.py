"""Two portraits, and whether they show one person: find the face, bring it upright, embed, compare.

Alignment to five points as in ArcFace, https://arxiv.org/abs/1801.07698. What finds faces and what embeds
them are other models; template and scale are in the card.
"""

import numpy as np
from pydantic import Field

from edged import (
    CardError,
    FaceOptions,
    Faces,
    FaceSimilarity,
    Frame,
    FramePair,
    Model,
    ModelCard,
    NotUsable,
    Parameters,
    PixelFormat,
    Register,
    Run,
    Tools,
    hookimpl,
)
from edged.media.frame import PictureFrame
from edged.ops import embedding
from edged.ops.faces import aligned


class SimilarityParameters(Parameters):
    """What a card says about a comparison of faces."""

    chip: tuple[int, int]
    """(height, width) of the aligned face, pixels."""
    template: tuple[tuple[float, float], ...] = Field(min_length=5, max_length=5)
    """Where on the chip the landmarks belong: x, y, in the order of `Faces.landmarks`."""
    background: float = Field(ge=0, le=1)
    """A face whose side is a smaller share of the largest one's is a passer-by, and does not count."""
    scale: tuple[tuple[float, float], ...]
    """Cosine and score of 0 to 100, both rising, see `edged.ops.embedding.Scale`."""


class SameFace(Model[FramePair, FaceOptions, FaceSimilarity]):
    """A face detector and an embedding of aligned faces."""

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card)
        self._numbers = card.parameters_as(SimilarityParameters)
        self._template = np.array(self._numbers.template)
        try:
            self._scale = embedding.Scale(self._numbers.scale)
        except ValueError as error:
            raise CardError(f"parameters.scale: {error}") from error

    def infer(self, item: FramePair, options: FaceOptions, tools: Tools, run: Run) -> FaceSimilarity:
        threshold = options.score_threshold
        chips = [
            self._only_face(
                picture, field, tools.models["faces"].infer(picture, run, score_threshold=threshold)
            )
            for field, picture in (("imagea", item.a), ("imageb", item.b))
        ]
        a, b = (tools.models["embedding"].infer(chip, run).vector for chip in chips)
        return FaceSimilarity(self._scale.score(embedding.cosine(a, b)))

    def _only_face(self, picture: Frame, field: str, found: Faces) -> Frame:
        """The aligned face. Raises `NotUsable` unless there is exactly one."""
        sides = np.ptp(found.boxes.reshape(-1, 2, 2), axis=1).max(axis=1, initial=0)
        counted = np.flatnonzero(sides >= self._numbers.background * sides.max(initial=0))
        if not len(counted):
            raise NotUsable(f"the field `{field}` shows no face; send a picture of one person's face")
        if len(counted) > 1:
            raise NotUsable(f"the field `{field}` shows {len(counted)} faces; crop it to one")
        whole = picture.pixels(PixelFormat())
        chip, _ = aligned(whole, found.landmarks[counted[0]], self._template, self._numbers.chip)
        return PictureFrame(chip, picture.captured_at)


@hookimpl
def register_models(register: Register) -> None:
    register(SameFace)
