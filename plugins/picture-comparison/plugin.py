"""Two pictures, by the vectors that the model `embedding` gives for them: how alike they are."""

from typing import Any

from pydantic import ConfigDict

from edged import (
    CardError,
    ComparisonOptions,
    FramePair,
    ImageSimilarity,
    Model,
    Options,
    Parameters,
    Part,
    ProductMatch,
    Register,
    Run,
    Tools,
    hookimpl,
)
from edged.ops.embedding import Scale, cosine, l2


class ScaleParameters(Parameters):
    """What the card of an embedding says beside how its output is read."""

    model_config = ConfigDict(extra="ignore")  # how the output is read is the embedding's own business

    scale: tuple[tuple[float, float], ...] = ()
    """Cosine and score of 0 to 100, both rising."""


class PictureSimilarity(Model[FramePair, Options, ImageSimilarity]):
    """The cosine on the scale that was fitted for the embedding."""

    def infer(self, item: FramePair, options: Options, tools: Tools, run: Run) -> ImageSimilarity:
        embedding = tools.models["embedding"]
        a, b = _vectors(item, embedding, run)
        return ImageSimilarity(_scale(embedding).score(cosine(a, b)), l2(a, b))


class ProductComparison(Model[FramePair, ComparisonOptions, ProductMatch]):
    """The cosine as it is."""

    def infer(self, item: FramePair, options: ComparisonOptions, tools: Tools, run: Run) -> ProductMatch:
        return ProductMatch(cosine(*_vectors(item, tools.models["embedding"], run)))


def _vectors(item: FramePair, embedding: Part, run: Run) -> tuple[Any, Any]:
    a = embedding.infer(item.a, run).vector
    run.check()
    return a, embedding.infer(item.b, run).vector


def _scale(embedding: Part) -> Scale:
    """Raises `CardError` when none was fitted for this embedding."""
    points = embedding.card.parameters_as(ScaleParameters).scale
    if not points:
        raise CardError(
            f"the card of {embedding.card.id} has no `scale`, so image-similarity cannot use it; fit one "
            "with tests/bench/fit_scale.py"
        )
    return Scale(points)


@hookimpl
def register_models(register: Register) -> None:
    register(PictureSimilarity, "similarity.yaml")
    register(ProductComparison, "products.yaml")
