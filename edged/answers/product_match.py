"""How alike two products are."""

from collections.abc import Sequence
from dataclasses import dataclass

from edged.answers.fields import PUBLISHED, SHARE_DIGITS
from edged.answers.kind import Kind, news
from edged.contracts.items import Pixels
from edged.contracts.pairs import ComparisonOptions, ProductMatch
from edged.ops.draw.pictures import beside, measure


@dataclass(frozen=True, slots=True)
class ProductFields:
    """Answer of product-comparison: the field of the metric that was asked for, and no other."""

    __pydantic_config__ = PUBLISHED

    l2_distance: float | None = None
    """Squared Euclidean distance of the two feature vectors of length 1, 0 (the same) to 4; for `L2`."""
    cosine_similarity: float | None = None
    """Half of one more than the cosine between the two feature vectors, 0 to 1 (the same); for `Cosine`."""


def _written(found: ProductMatch, options: ComparisonOptions) -> ProductFields:
    if options.metric == "L2":
        return ProductFields(l2_distance=round(_distance(found), SHARE_DIGITS))
    return ProductFields(cosine_similarity=round(_similarity(found), SHARE_DIGITS))


def _distance(found: ProductMatch) -> float:
    return max(0.0, 2 - 2 * found.cosine)


def _similarity(found: ProductMatch) -> float:
    return (1 + min(1.0, found.cosine)) / 2


def _drawn(pictures: Sequence[Pixels], found: ProductMatch, options: ComparisonOptions) -> Pixels:
    if options.metric == "L2":
        return beside(pictures, [measure("l2 distance", _distance(found))])
    return beside(pictures, [measure("cosine similarity", _similarity(found))])


KIND = Kind(ProductMatch, ProductFields, write=_written, gist=news, draw=_drawn)
