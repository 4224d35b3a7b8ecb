"""Requests, options and results of what makes vectors of texts."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from edged.contracts.described import Described
from edged.contracts.image import Floats
from edged.contracts.model import Options

MOST_TOKENS = 512
"""Of both sequences with the marks between them; what BERT was trained on."""
MOST_CHARACTERS = 100_000
"""Of a sequence: half a second and 60 MB of making tokens, of which all but the first 512 are cut anyway."""


def _says_something(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "must hold more than spaces")
    return text


class TextInput(Described):
    """One text, or a pair of texts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(max_length=1000)
    """Echoed in the answer."""
    first_sequence: Annotated[str, Field(max_length=MOST_CHARACTERS), AfterValidator(_says_something)]
    """The text."""
    second_sequence: str = Field(default="", max_length=MOST_CHARACTERS)
    """A second text, that is read with the first; may be empty."""
    sequence_length: int = Field(default=MOST_TOKENS, ge=3, le=MOST_TOKENS)
    """Tokens of both texts and the marks `[CLS]` and `[SEP]` between them. What is longer is cut, the longer
    text first; with `padded` what is shorter is filled up."""


class TextToEmbed(Described):
    """A text of which one vector is wanted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: Annotated[str, Field(max_length=MOST_CHARACTERS), AfterValidator(_says_something)]
    """The text."""


class TextOptions(Options):
    """Options of text-vectorization."""

    padded: bool
    """Vectors for all `sequence_length` places in `all_hidden_outputs`, also for those behind the text."""


@dataclass(frozen=True, slots=True, eq=False)
class TextVectors:
    """Result of text-vectorization."""

    id: str
    """Of the request."""
    pooled: Floats
    """[d]: a dense layer on the vector of `[CLS]`; of a model without one that vector at length 1."""
    states: Floats
    """[n, d]: a vector for each token of `[CLS]`, text, `[SEP]`, and of a second text and its `[SEP]`."""
    truncated: bool
    """Whether the texts were longer than `sequence_length`."""


@dataclass(frozen=True, slots=True, eq=False)
class TextEmbedding:
    """Result of text-embedding."""

    vector: Floats
    """[d], of length 1: texts that mean the same have vectors that point the same way."""
    tokens: int
    """That were read, the marks before and behind included."""
