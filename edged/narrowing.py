"""Of all plugins those that some models can come from, told by their cards before any is imported."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from edged.cards import ACCURACY

_NAMES = re.compile(r"""(?:^|[{,])\s*["']?(id|service)["']?:\s*["']?([a-z0-9-]+)""", re.MULTILINE)
"""The id and the service of a model, and what looks like one: the id of a licence."""


def concerned(places: Sequence[Path], words: Collection[str], always: Collection[Path] = ()) -> list[Path]:
    """The plugins' folders with a card that names one of `words` (ids of models, services), `always`,
    all that these may use, whoever claims the same ids, and, for a folder without code, what offers decoders.

    Rather too many than too few, but YAML can hide a name, by escapes: whoever misses a model looks again
    among all plugins.
    """
    texts = {place: _text(_cards(place)) for place in places}
    said = {place: _NAMES.findall(text) for place, text in texts.items()}
    ids = {place: {name for key, name in names if key == "id"} for place, names in said.items()}
    kept: set[Path] = set()
    more = {place for place, names in said.items() if any(name in words for _, name in names)} | {*always}
    while more > kept:
        kept = more
        told = "\n".join(texts[place] for place in kept)
        more = kept | {place for place, own in ids.items() if any(one in told for one in own)}
    if any(not (place / "plugin.py").is_file() for place in kept):
        kept |= {place for place in places if "register_decoders" in _text([place / "plugin.py"])}
    return [place for place in places if place in kept]


def _cards(place: Path) -> Iterator[Path]:
    """Without what was measured, which names models that were witnesses and nothing more."""
    return (path for path in place.glob("*.yaml") if path.name != ACCURACY)


def _text(files: Iterable[Path]) -> str:
    return "\n".join(file.read_text("utf-8", "replace") for file in files if file.is_file())
