"""What was counted between two moments, by line, class and local hour; and when nobody looked."""

from dataclasses import dataclass, field
from pathlib import Path

from edged.contracts.errors import NotFound, TooLarge
from edged.counts.calendar import Calendar
from edged.counts.layout import reading

QUARTER_S = 900
"""No time zone is off UTC by less than a multiple of this."""
MOST_ROWS = 200_000

_COUNTED = """
SELECT stream, line, class, CAST(at / 900 AS INTEGER) AS quarter,
    SUM(direction = 'in'), SUM(direction = 'out')
FROM lines CROSS JOIN crossings USING (stream, line)
WHERE at >= ? AND at < ? AND (? IS NULL OR stream = ?) AND (? IS NULL OR line = ?)
GROUP BY stream, line, class, quarter ORDER BY quarter LIMIT ?
"""
"""Line by line, so that the index of crossings is of use; each that ever counted is in `lines`."""
_GAPS = """
SELECT stream, began, ended FROM gaps WHERE ended > ? AND began < ? AND (? IS NULL OR stream = ?)
ORDER BY began LIMIT ?
"""
_KNOWN = "SELECT COUNT(*) FROM lines WHERE (? IS NULL OR stream = ?) AND (? IS NULL OR line = ?)"


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
    who = (asked.stream, asked.stream, asked.line, asked.line)
    times = (asked.begin, asked.end)
    with reading(path, "counts") as db:
        if not db.execute(_KNOWN, who).fetchone()[0] and (asked.stream or asked.line):
            named = {"stream": asked.stream, "line": asked.line}
            at = ", ".join(f"{kind} {name!r}" for kind, name in named.items() if name)
            raise NotFound(f"nothing is counted at {at}")
        counted = db.execute(_COUNTED, (*times, *who, MOST_ROWS + 1)).fetchall()
        gaps = db.execute(_GAPS, (*times, *who[:2], MOST_ROWS + 1)).fetchall()
    if max(len(counted), len(gaps)) > MOST_ROWS:
        raise TooLarge(f"that is more than {MOST_ROWS} rows; ask for less between `from` and `to`")
    hours: dict[tuple[float, str, str, str], HourRow] = {}
    for stream, line, name, quarter, came, left in counted:
        key = (calendar.hour(quarter * QUARTER_S)[0], stream, line, name)
        row = hours.setdefault(key, HourRow(*key))
        row.came, row.left = row.came + came, row.left + left
    return History(list(hours.values()), gaps)
