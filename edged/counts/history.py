"""What was counted between two moments, by line, class and local hour; and when nobody looked."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from math import ceil, floor
from operator import attrgetter
from pathlib import Path
from typing import TypeVar

from edged.contracts.errors import NotFound, TooLarge
from edged.counts.calendar import Calendar
from edged.counts.layout import reading

QUARTER_S = 900
"""No time zone is off UTC by less than a multiple of this."""
MOST_ROWS = 200_000

Row = TypeVar("Row")

_COUNTED = """
SELECT stream, line, class, quarter, came, gone FROM lines CROSS JOIN quarters USING (stream, line)
WHERE quarter >= :first AND quarter < :last
    AND (:stream IS NULL OR stream = :stream) AND (:line IS NULL OR line = :line)
UNION ALL
SELECT stream, line, class, CAST(at AS INTEGER) / 900, direction = 'in', direction = 'out'
FROM lines CROSS JOIN crossings USING (stream, line)
WHERE at >= :begin AND at < :head
    AND (:stream IS NULL OR stream = :stream) AND (:line IS NULL OR line = :line)
UNION ALL
SELECT stream, line, class, CAST(at AS INTEGER) / 900, direction = 'in', direction = 'out'
FROM lines CROSS JOIN crossings USING (stream, line)
WHERE at >= :tail AND at < :end
    AND (:stream IS NULL OR stream = :stream) AND (:line IS NULL OR line = :line)
"""
"""Whole quarters by their sums; of what is left of one at the begin and at the end each crossing.

Line by line, so that the indices are of use; each that ever counted is in `lines`."""
_GAPS = """
SELECT stream, began, ended FROM gaps
WHERE ended > :begin AND began < :end AND (:stream IS NULL OR stream = :stream) ORDER BY began
"""
_KNOWN = """
SELECT COUNT(*) FROM lines
WHERE (:stream IS NULL OR stream = :stream) AND (:line IS NULL OR line = :line)
"""


@dataclass(frozen=True)
class Asked:
    """What somebody wants to know."""

    begin: float
    """Seconds since the epoch."""
    end: float
    """Not included."""
    stream: str | None = None
    """None: all."""
    line: str | None = None
    """None: all."""


@dataclass(slots=True)
class HourRow:
    """How many of a class crossed a line within one local hour."""

    at: float
    """When the hour begins."""
    stream: str
    line: str
    class_name: str
    came: int = 0
    left: int = 0


@dataclass(frozen=True)
class History:
    """What was counted."""

    rows: list[HourRow]
    gaps: list[tuple[str, float, float]] = field(default_factory=list)
    """Stream, begin and end of the times in which nobody looked."""


def history(path: Path, calendar: Calendar, asked: Asked) -> History:
    """Read it, beside the one who writes. Raises `NotFound`, `NotReady` and `TooLarge`."""
    wanted = _wanted(asked)
    with reading(path, "counts") as db:
        if not db.execute(_KNOWN, wanted).fetchone()[0] and (asked.stream or asked.line):
            named = {"stream": asked.stream, "line": asked.line}
            at = ", ".join(f"{kind} {name!r}" for kind, name in named.items() if name)
            raise NotFound(f"nothing is counted at {at}")
        rows = _by_hour(_bounded(db.execute(_COUNTED, wanted)), calendar)
        return History(rows, list(_bounded(db.execute(_GAPS, wanted))))


def _bounded(rows: Iterable[Row]) -> Iterator[Row]:
    for number, row in enumerate(rows):
        if number == MOST_ROWS:
            raise TooLarge(f"that is more than {MOST_ROWS} rows; ask for less between `from` and `to`")
        yield row


def _wanted(asked: Asked) -> dict[str, float | str | None]:
    """Quarters of an hour from `first` on, before `last`, and what lies before and after them."""
    first = -(-ceil(asked.begin) // QUARTER_S)
    last = max(first, floor(asked.end) // QUARTER_S)
    head, tail = min(asked.end, first * QUARTER_S), last * QUARTER_S
    times = {"begin": asked.begin, "head": head, "first": first, "last": last, "tail": tail, "end": asked.end}
    return {**times, "stream": asked.stream, "line": asked.line}


def _by_hour(counted: Iterable[tuple[str, str, str, int, int, int]], calendar: Calendar) -> list[HourRow]:
    hour = cache(lambda quarter: calendar.hour(quarter * QUARTER_S)[0])
    hours: dict[tuple[float, str, str, str], HourRow] = {}
    for stream, line, name, quarter, came, left in counted:
        key = (hour(quarter), stream, line, name)
        if (row := hours.get(key)) is None:
            row = hours[key] = HourRow(*key)
        row.came += came
        row.left += left
    return sorted(hours.values(), key=attrgetter("at"))
