"""The tokens of Whisper: what they stand for, and which of them may be written."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from edged import CardError
from edged.ops.scores import softmax
from edged.ops.tokens import open_tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

ANY = "any"
"""Of the characters that are not written: those of all languages."""


class Vocabulary:
    """Read once, shared by all threads."""

    def __init__(self, tokenizer: "Tokenizer", unwritten: Mapping[str, str]) -> None:
        """`unwritten`: characters by language, or by `ANY`. Raises `CardError` when a special token lacks."""
        self._tokenizer = tokenizer
        self.start = self._special("startoftranscript")
        self.end = self._special("endoftext")
        self._previous = self._special("startofprev")
        self._silence = self._special("nocaptions")
        self._transcribe, self._translate = self._special("transcribe"), self._special("translate")
        self._bare = self._special("notimestamps")
        special = range(self.end + 1, tokenizer.get_vocab_size())
        self._languages = {
            str(tokenizer.id_to_token(token)).strip("<|>"): token
            for token in range(self.start + 1, self._special("translate"))
        }
        unwanted = {one: set(unwritten.get(ANY, "") + unwritten.get(one, "")) for one in (ANY, *unwritten)}
        never: dict[str, list[int]] = {language: list(special) for language in unwanted}
        for token in range(self.end):
            text = tokenizer.decode([token], skip_special_tokens=False)
            for language, characters in unwanted.items():
                if not characters.isdisjoint(text):
                    never[language].append(token)
        self._never = {language: np.array(tokens) for language, tokens in never.items()}
        self.not_first = np.array([*tokenizer.encode(" ", add_special_tokens=False).ids, self.end])

    @classmethod
    def load(cls, path: Path, unwritten: Mapping[str, str]) -> Self:
        """Of a tokenizer.json. Raises `CardError` when it is none, or not one of Whisper."""
        return cls(open_tokenizer(path), unwritten)

    def prompt(self, text: str) -> list[int]:
        """What is said to have been written before; nothing for no text."""
        if not text:
            return []
        return [self._previous, *self._tokenizer.encode(" " + text, add_special_tokens=False).ids]

    def task(self, language: str, *, english: bool = False) -> list[int]:
        """What asks for the text of what is said in a language, or for it in English. Raises `CardError` for
        one that Whisper does not know."""
        if language not in self._languages:
            raise CardError(f"Whisper knows no language {language!r}")
        return [self._languages[language], self._translate if english else self._transcribe, self._bare]

    def never(self, language: str) -> NDArray[np.int64]:
        """Tokens that are not written in a language."""
        return self._never.get(language, self._never[ANY])

    def text(self, tokens: Sequence[int]) -> str:
        """What they say."""
        return str(self._tokenizer.decode(list(tokens))).strip()

    def spoken(self, scores: NDArray[np.float32]) -> dict[str, float]:
        """Probability of each language, of the scores [1, vocabulary] behind `start`."""
        shares = softmax(scores[0, list(self._languages.values())])
        return dict(zip(self._languages, shares.tolist(), strict=True))

    def silent(self, scores: NDArray[np.float32]) -> list[float]:
        """Probability of each row of the same that nobody speaks."""
        shares: list[float] = softmax(scores)[:, self._silence].tolist()
        return shares

    def _special(self, name: str) -> int:
        token = self._tokenizer.token_to_id(f"<|{name}|>")
        if token is None:
            raise CardError(f"the tokenizer has no token <|{name}|>")
        return int(token)
