"""Request, options and results of the services that compare two pictures."""

from dataclasses import dataclass
from typing import Literal

from pydantic import ConfigDict, Field

from edged.contracts.described import Described
from edged.contracts.model import Options

Metric = Literal["L2", "Cosine"]
"""How two feature vectors are compared."""


class PairInput(Described):
    """A request that brings two pictures."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    imagea: str = Field(min_length=1)
    """Base64 of an encoded picture (JPEG, PNG, WebP, BMP, TIFF); may begin with
    `data:image/...;base64,` and hold white space."""
    imageb: str = Field(min_length=1)
    """Base64 of the other picture, as `imagea`."""


class ProductParams(PairInput):
    """Two products and how to compare them."""

    metric: Metric
    """`L2` or `Cosine`."""


class ProductInput(Described):
    """A request of product-comparison."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    function_name: Literal["match"]
    """Always `match`."""
    function_params: ProductParams
    """The two products."""

    @property
    def metric(self) -> Metric:
        """The option that stands among the parameters."""
        return self.function_params.metric


class ComparisonOptions(Options):
    """Options of product-comparison."""

    metric: Metric
    """`L2` (0 is the same) or `Cosine` (1 is the same); every request names it itself."""


@dataclass(frozen=True, slots=True, eq=False)
class ImageSimilarity:
    """Result of image-similarity."""

    similarity: float
    """0 to 100: 100 is the same picture, under 80 are different ones."""
    distance: float
    """Euclidean distance of the two feature vectors of length 1, 0 to 2."""


@dataclass(frozen=True, slots=True, eq=False)
class ProductMatch:
    """Result of product-comparison."""

    cosine: float
    """Between the two feature vectors, -1 to 1 (the same)."""
