"""Whether two faces are one person's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edged.answers.fields import PUBLISHED
from edged.answers.kind import Kind, news
from edged.contracts.face import FaceSimilarity
from edged.contracts.items import Pixels
from edged.ops.draw.pictures import alike, beside


@dataclass(frozen=True, slots=True)
class FaceSimilarityFields:
    """Answer of face-similarity."""

    __pydantic_config__ = PUBLISHED

    similarity: int
    """0 to 100: 100 is the same person, under 80 are different ones."""


def _written(found: FaceSimilarity, _: Any) -> FaceSimilarityFields:
    return FaceSimilarityFields(int(found.similarity))  # cut: 79.9 would be rounded to the same person


def _drawn(pictures: Sequence[Pixels], found: FaceSimilarity, _: Any) -> Pixels:
    return beside(pictures, [alike(int(found.similarity))])


KIND = Kind(FaceSimilarity, FaceSimilarityFields, write=_written, gist=news, draw=_drawn)
