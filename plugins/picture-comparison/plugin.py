"""Two pictures, by the vectors that the model `embedding` gives for them: how alike they are."""

from pathlib import Path
from typing import Any

from pydantic import ConfigDict

from edged import (
    CardError,
    ComparisonOptions,
    FramePair,
    ImageSimilarity,
    Model,
    ModelCard,
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

DIGITS = 6
"""Of a distance or a cosine."""


class ScaleParameters(Parameters):
    """What the card of an embedding says beside how its output is read."""

    model_config = ConfigDict(extra="ignore")  # how the output is read is the embedding's own business

    scale: tuple[tuple[float, float], ...] = ()
    """Cosine and score of 0 to 100, both rising."""


class PictureSimilarity(Model[FramePair, Options, ImageSimilarity]):
    """The cosine on the scale that was fitted for the embedding."""

    def __init__(self, card: ModelCard) -> None:
        self.card = card

    def infer(self, item: FramePair, options: Options, tools: Tools, run: Run) -> ImageSimilarity:
        embedding = tools.models["embedding"]
        a, b = _vectors(item, embedding, run)
        similarity = _scale(embedding).score(cosine(a, b))
        return ImageSimilarity(round(similarity, 2), round(l2(a, b), DIGITS))


class ProductComparison(Model[FramePair, ComparisonOptions, ProductMatch]):
    """The measure that is asked for, as it is."""

    def __init__(self, card: ModelCard) -> None:
        self.card = card

    def infer(self, item: FramePair, options: ComparisonOptions, tools: Tools, run: Run) -> ProductMatch:
        a, b = _vectors(item, tools.models["embedding"], run)
        if options.metric == "L2":
            return ProductMatch(l2_distance=round(l2(a, b), DIGITS))
        return ProductMatch(cosine_similarity=round(cosine(a, b), DIGITS))


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
    here = Path(__file__).parent
    register(PictureSimilarity(ModelCard.load(here / "similarity.yaml")))
    register(ProductComparison(ModelCard.load(here / "products.yaml")))
