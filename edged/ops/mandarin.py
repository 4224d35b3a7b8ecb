"""Mandarin as it is written: simplified characters, short sentences, and a vocabulary of common ones."""

import re
from functools import cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from opencc import OpenCC

OUTSIDE = "*"
"""In the place of a character outside of the vocabulary."""
Level = Literal[1, 2]
"""Of GB 2312: 1 is the 3,755 most common characters, 2 the 6,763 of both its levels."""

_LAST_ROW = {1: 55, 2: 87}
_CJK = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_PAUSE = re.compile(rf"[^\w\s'%&@+*-]+|\s*\n\s*|(?<=[{_CJK}])\s+|\s+(?=[{_CJK}])")
"""Punctuation, a line's end, and a space beside a character, for such a text has no others."""


@cache
def vocabulary(level: Level) -> frozenset[str]:
    """The characters of GB 2312-1980, a public standard: from the 16th of its rows of 94 on."""
    codes = (
        bytes((0xA0 + row, 0xA0 + cell)) for row in range(16, _LAST_ROW[level] + 1) for cell in range(1, 95)
    )
    return frozenset(code.decode("gb2312", errors="ignore") for code in codes) - {""}


def simplified(text: str) -> str:
    """Traditional characters as simplified ones, by the phrases of OpenCC."""
    return str(_converter().convert(text))


def sentences(text: str) -> tuple[str, ...]:
    """Cut at punctuation, which is dropped."""
    return tuple(part.strip() for part in _PAUSE.split(text) if part.strip())


def within(text: str, level: Level) -> str:
    """With `*` for every character outside of the vocabulary; ASCII is within it."""
    known = vocabulary(level)
    return "".join(one if one.isascii() or one in known else OUTSIDE for one in text)


@cache
def _converter() -> "OpenCC":
    from opencc import OpenCC  # noqa: PLC0415 - loaded here and not before

    return OpenCC("t2s")
