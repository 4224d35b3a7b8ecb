"""How alike two pictures are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edged.answers.fields import PIXEL_DIGITS, PUBLISHED, SHARE_DIGITS
from edged.answers.kind import Kind, news
from edged.contracts.items import Pixels
from edged.contracts.pairs import ImageSimilarity
from edged.ops.draw.pictures import alike, beside, measure


@dataclass(frozen=True, slots=True)
class SimilarityFields:
    """Answer of image-similarity."""

    __pydantic_config__ = PUBLISHED

    similarity: float
    """0 to 100: 100 is the same picture, under 80 are different ones."""
    l2_distance: float
    """Euclidean distance of the two feature vectors of length 1, 0 to 2."""


def _written(found: ImageSimilarity, _: Any) -> SimilarityFields:
    return SimilarityFields(round(found.similarity, PIXEL_DIGITS), round(found.distance, SHARE_DIGITS))


def _drawn(pictures: Sequence[Pixels], found: ImageSimilarity, _: Any) -> Pixels:
    return beside(pictures, [alike(found.similarity), measure("l2 distance", found.distance)])


KIND = Kind(ImageSimilarity, SimilarityFields, write=_written, gist=news, draw=_drawn)
