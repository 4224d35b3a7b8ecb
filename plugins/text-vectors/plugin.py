"""BERT and its kin: a text, or a pair of texts, as vectors."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edged import (
    CardError,
    Model,
    ModelCard,
    Parameters,
    Register,
    Run,
    Shape,
    TextOptions,
    TextPair,
    TextVectors,
    Tools,
    hookimpl,
)
from edged.ops.embedding import unit
from edged.ops.tokens import open_tokenizer

from . import graph

if TYPE_CHECKING:
    from tokenizers import Tokenizer

CLS, SEP, PAD = "[CLS]", "[SEP]", "[PAD]"


class TextParameters(Parameters):
    """What the graph eats."""

    states: str
    """The output with a vector for each token, [1, n, d]."""
    pooled: str | None = None
    """The output of the dense layer, [1, d]; none: the graph has no such layer."""


class Tokens(NamedTuple):
    """A pair of texts as BERT reads it: [n] i64 each, and whether something was cut."""

    ids: list[int]
    kinds: list[int]
    truncated: bool


class Bert(Model[TextPair, TextOptions, TextVectors]):
    """One pass over both texts."""

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card)
        self._parameters = card.parameters_as(TextParameters)

    def shapes(self, graph: str) -> Mapping[str, Shape]:
        known = self._parameters
        pooled: Mapping[str, Shape] = {known.pooled: (1, "width")} if known.pooled else {}
        return {known.states: (1, None, "width"), **pooled}

    def build_graph(self, name: str, files: Mapping[str, Path]) -> Any:
        (path,) = files.values()
        return graph.build(path)

    def open_resource(self, name: str, path: Path) -> "Tokenizer":
        tokenizer = open_tokenizer(path)
        if missing := [mark for mark in (CLS, SEP, PAD) if tokenizer.token_to_id(mark) is None]:
            raise CardError(f"{path.name} has no token {', '.join(missing)}")
        return tokenizer

    def infer(self, item: TextPair, options: TextOptions, tools: Tools, run: Run) -> TextVectors:
        tokenizer = tools.resources["tokenizer"]
        tokens = tokens_of(tokenizer, item)
        behind = item.sequence_length - len(tokens.ids) if options.padded else 0
        outputs = tools.sessions["main"].run(
            {
                "input_ids": np.array([tokens.ids + [tokenizer.token_to_id(PAD)] * behind]),
                "attention_mask": np.array([[1] * len(tokens.ids) + [0] * behind]),
                "token_type_ids": np.array([tokens.kinds + [0] * behind]),
            }
        )
        states: NDArray[np.float32] = outputs[self._parameters.states][0]
        pooled = outputs[self._parameters.pooled][0] if self._parameters.pooled else unit(states[0])
        return TextVectors(item.id, pooled, states, tokens.truncated)


def tokens_of(tokenizer: "Tokenizer", item: TextPair) -> Tokens:
    """`[CLS] first [SEP]`, and `second [SEP]` where there is one; of the longer text the end is cut first.

    Without the tokenizer's own truncation, which is a state of it, and it belongs to all threads.
    """
    # a batch, since for a single text the library holds up all threads: 100,000 characters take half a second
    encodings = tokenizer.encode_batch_fast([item.first, item.second], add_special_tokens=False)
    first, second = (encoding.ids for encoding in encodings)
    cls, sep = (int(tokenizer.token_to_id(mark) or 0) for mark in (CLS, SEP))
    room = item.sequence_length - (3 if second else 2)
    kept = lengths(len(first), len(second), room)
    ids = [cls, *first[: kept[0]], sep]
    kinds = [0] * len(ids)
    if second:
        ids += [*second[: kept[1]], sep]
        kinds += [1] * (kept[1] + 1)
    return Tokens(ids, kinds, truncated=sum(kept) < len(first) + len(second))


def lengths(first: int, second: int, room: int) -> tuple[int, int]:
    """So much of two texts is kept: the longer one is cut until both fit, then both alike."""
    if first + second <= room:
        return first, second
    shorter = min(first, second, room // 2)
    return (room - shorter, shorter) if first > second else (shorter, room - shorter)


@hookimpl
def register_models(register: Register) -> None:
    register(Bert, "bert-base.yaml", "bge-small.yaml", "bge-base.yaml")
