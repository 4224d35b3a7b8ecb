"""What somebody may have meant who named something that there is not."""

from collections.abc import Iterable
from difflib import get_close_matches


def close(name: str, known: Iterable[str], likeness: float = 0.4) -> list[str]:
    """Up to three known names, the closest first; `likeness` goes from 0 to 1, for the same."""
    return get_close_matches(name, list(known), 3, likeness)


def hint(name: str, known: Iterable[str], otherwise: str, likeness: float = 0.4) -> str:
    """`did you mean x?`, or `otherwise` where nothing is close."""
    found = close(name, known, likeness)
    return f"did you mean {', '.join(found)}?" if found else otherwise
