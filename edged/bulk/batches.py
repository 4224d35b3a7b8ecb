"""Items in batches: what one worker answers at a time, and leaves in one file."""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from edged.bulk.piece import Piece
from edged.contracts.service import Media

_FEWEST, _MOST = 16, 1000
"""Items of a batch, but of videos one. Few: little is lost with a worker. Many: there are few files."""
_BATCHES = 64
"""As many are made of what is given, within those bounds."""
_BYTES = 64_000_000
"""Of a batch's items together, unless one alone has more."""
_RE_READ = 8
"""Parts of a row group of Parquet, at most: for each of them it is read from its beginning."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some items, and the name of the file with their answers, which follows from them."""

    name: str
    pieces: tuple[Piece, ...]
    again: bool = False
    """Whether the file is there, and gets new rows for these items in place of those that it has."""


def batches(
    found: Sequence[Piece], media: Media, done: Collection[str], identity: Mapping[str, Any]
) -> list[Batch]:
    """What is not done yet; cut as if nothing were, so that a second run makes the files of the first."""
    rest = (tuple(piece for piece in cut if piece.url not in done) for cut in _cut(found, media))
    return [Batch(_name(some, identity), some) for some in rest if some]


def _name(some: Sequence[Piece], identity: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(orjson.dumps(identity, option=orjson.OPT_SORT_KEYS))
    for piece in some:
        digest.update(b"\n" + piece.id.encode())
    return f"part-{digest.hexdigest()[:20]}"


def _cut(found: Sequence[Piece], media: Media) -> Iterator[list[Piece]]:
    usual = 1 if media == "video" else min(max(len(found) // _BATCHES, _FEWEST), _MOST)
    rows = Counter(map(_group, found))
    batch: list[Piece] = []
    size = 0
    for piece in found:
        group = _group(piece)
        most = usual if group is None else max(usual, -(-rows[group] // _RE_READ))
        # cells are read a few at a time, so that their bytes bound nothing
        is_full = len(batch) >= most or (group is None and size + piece.size > _BYTES)
        if batch and (is_full or group != _group(batch[0])):
            yield batch
            batch, size = [], 0
        batch.append(piece)
        size += piece.size
    if batch:
        yield batch


def _group(piece: Piece) -> tuple[str, int] | None:
    return None if piece.row is None else (piece.row.file, piece.row.group)
