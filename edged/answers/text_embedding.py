"""What a text means, as a vector."""

from dataclasses import dataclass
from typing import Any

from edged.answers.fields import PUBLISHED, Vector
from edged.answers.kind import Kind, news
from edged.contracts.text import TextEmbedding


@dataclass(frozen=True, slots=True)
class TextEmbeddingFields:
    """Answer of text-embedding."""

    __pydantic_config__ = PUBLISHED

    vector: Vector
    """Of length 1."""
    tokens: int
    """That were read, the marks before and behind included."""


def _written(found: TextEmbedding, _: Any) -> TextEmbeddingFields:
    return TextEmbeddingFields(found.vector, found.tokens)


KIND = Kind(TextEmbedding, TextEmbeddingFields, write=_written, gist=news)
