"""A text, or a pair, as vectors."""

from dataclasses import dataclass
from typing import Any

from edged.answers.fields import PUBLISHED
from edged.answers.kind import Kind, news
from edged.contracts.text import TextVectors
from edged.ops.numbers import joined


@dataclass(frozen=True, slots=True)
class TextVectorFields:
    """Answer of text-vectorization."""

    __pydantic_config__ = PUBLISHED

    id: str
    """Echo of the request's."""
    pool_output: str
    """`dimension` numbers joined by `,`: a dense layer on the vector of `[CLS]`; of a model without one the
    vector of `[CLS]` at length 1, as its makers use it."""
    first_token_output: str
    """`dimension` numbers joined by `,`: the vector of `[CLS]`."""
    all_hidden_outputs: str
    """A vector for each token of `[CLS]`, text, `[SEP]`, and of a second text and its `[SEP]`: numbers joined
    by `,`, vectors by `;`."""
    dimension: int
    """Numbers of a vector."""
    truncated: bool | None = None
    """True when the texts were longer than `sequence_length`; else absent."""


def _written(found: TextVectors, _: Any) -> TextVectorFields:
    pooled, states = joined(found.pooled), joined(found.states)
    return TextVectorFields(
        found.id, pooled, joined(found.states[0]), states, len(found.pooled), found.truncated or None
    )


KIND = Kind(
    TextVectors,
    TextVectorFields,
    write=_written,
    gist=news,
    shrink="ask for a smaller `sequence_length`, or leave out `padded`",
)
