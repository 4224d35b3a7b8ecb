"""Events that are kept, as somebody asks for them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from edged.counts.layout import reading


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
    with reading(path, "events") as db:
        return [NumberedEvent(*row) for row in db.execute(*query_of(wanted))]


def query_of(wanted: EventQuery) -> tuple[str, tuple[object, ...]]:
    """The statement and its values. None reads more events than it gives, but for a time those who follow."""
    conditions = [*_conditions(wanted)]
    where = " AND ".join(condition for condition, _ in conditions) or "1"
    last = f"ORDER BY number {'ASC' if wanted.oldest_first else 'DESC'} LIMIT ?"
    values = (*(value for _, value in conditions), wanted.limit)
    if (wanted.begin is None and wanted.end is None) or wanted.oldest_first:
        return f"SELECT number, body FROM events WHERE {where} {last}", values  # noqa: S608
    # the index holds all that is asked for; its newest come first, which spares the sorting
    found = f"SELECT number FROM events INDEXED BY events_at WHERE {where} {last}"  # noqa: S608
    return f"SELECT number, body FROM events WHERE number IN ({found}) {last}", (*values, wanted.limit)  # noqa: S608


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
