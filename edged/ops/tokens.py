"""Text as the numbers of a model."""

from pathlib import Path
from typing import TYPE_CHECKING

from edged.contracts.errors import CardError

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def open_tokenizer(path: Path) -> "Tokenizer":
    """Of a tokenizer.json, without truncation and padding. Raises `CardError` when it is none."""
    from tokenizers import Tokenizer  # noqa: PLC0415 - loaded here and not before

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing narrower
        raise CardError(f"{path.name} cannot be read: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
