"""Events that are kept, as somebody asks for them."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from edged.contracts.errors import NotReady
from edged.counts.layout import read_only


@dataclass(frozen=True)
class EventQuery:
    """Which events somebody wants; none: all."""

    stream: str | None = None
    rule: str | None = None
    kind: str | None = None
    begin: float | None = None
    """Seconds since the epoch: they began then or later; of ends, they ended."""
    end: float | None = None
    """Not included."""
    after: int | None = None
    """Put down after the event of this number."""
    before: int | None = None
    """Put down before it."""
    limit: int = 100
    oldest_first: bool = False
    """Also which of them are left out, where there are more."""


class NumberedEvent(NamedTuple):
    """An event."""

    number: int
    """Counts the events of this box in the order in which they were put down, and is never used again."""
    body: bytes
    """The message, encoded."""


def kept(path: Path, wanted: EventQuery) -> list[NumberedEvent]:
    """Read them, beside the one who writes. Raises `NotReady`."""
    conditions = list(_conditions(wanted))
    where = " AND ".join(condition for condition, _ in conditions) or "1"
    order = "ASC" if wanted.oldest_first else "DESC"
    query = f"SELECT number, body FROM events WHERE {where} ORDER BY number {order} LIMIT ?"  # noqa: S608
    try:
        with closing(read_only(path)) as db:
            return [
                NumberedEvent(*row) for row in db.execute(query, (*(v for _, v in conditions), wanted.limit))
            ]
    except sqlite3.Error as error:
        raise NotReady(f"the events cannot be read now: {error}") from error


def _conditions(wanted: EventQuery) -> Iterator[tuple[str, object]]:
    given = {
        "stream = ?": wanted.stream,
        "rule = ?": wanted.rule,
        "kind = ?": wanted.kind,
        "at >= ?": wanted.begin,
        "at < ?": wanted.end,
        "number > ?": wanted.after,
        "number < ?": wanted.before,
    }
    return ((condition, value) for condition, value in given.items() if value is not None)
