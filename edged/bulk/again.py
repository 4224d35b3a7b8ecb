"""Items whose row is an error are asked again: the new row takes the place of the one that is there.

A file gets its new rows as a whole, by the name that it has, so that an item has one row at any moment.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from edged.bulk.batches import Batch
from edged.bulk.piece import Piece
from edged.bulk.results import Result

Again = Literal["failed"]
"""What is asked again of all that is done."""


def failed_again(found: Iterable[Piece], there: Mapping[str, Sequence[tuple[str, bool]]]) -> list[Batch]:
    """A batch for each file in `there` that has an error for one of these items; in the order of its rows."""
    by_url = {piece.url: piece for piece in found}
    failed = {
        name: tuple(by_url[url] for url, is_good in rows if not is_good and url in by_url)
        for name, rows in there.items()
    }
    return [Batch(name, some, again=True) for name, some in failed.items() if some]


def replaced(rows: Iterable[Result], new: Iterator[Result]) -> Iterator[Result]:
    """The rows, each of the new ones in place of the one with its URL. Both are in one order."""
    coming = next(new, None)
    for row in rows:
        if coming is not None and coming["url"] == row["url"]:
            yield coming
            coming = next(new, None)
        else:
            yield row
