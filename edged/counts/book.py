"""The counts on disk: every decision is one transaction, and everything told follows from what is here.

SQLite in WAL mode with synchronous=NORMAL: nothing is lost when the process is killed at any moment.
"""

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from edged.counts.layout import open_counts
from edged.flow.counters import Counters
from edged.ops.movements import Direction

KEPT_S = 400 * 86400.0
"""Seconds for which single crossings and gaps are kept; totals stay."""
MOST_CROSSINGS, MOST_GAPS = 5_000_000, 100_000
GONE_S = 30 * 86400.0
"""Seconds for which the broker is told that a line or a zone is gone, in case it was away."""

Kind = Literal["line", "zone"]


class PlaceKey(NamedTuple):
    """A line or a zone, as the broker knows it."""

    node: str
    stream: str
    kind: Kind
    place: str


@dataclass(frozen=True, slots=True)
class Passage:
    """Somebody crossed a line."""

    line: str
    direction: Direction
    class_name: str
    track: int
    at: float | None
    """Seconds since the epoch; none: the clock was not set, so it counts in the total alone."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How much a line has counted in all."""

    since: float | None
    """Seconds since the epoch; none: the clock was not set when it began."""
    by_class: Mapping[str, Mapping[Direction, int]]


class CountBook:
    """Not safe from several threads at once. Raises `sqlite3.Error` and `OSError`."""

    def __init__(self, path: Path, counters: Counters) -> None:
        """Opens or begins it."""
        self._db = open_counts(path, counters)

    def close(self) -> None:
        """Give the file back."""
        self._db.close()

    def begin(self, stream: str, lines: Iterable[str], at: float | None) -> None:
        """These lines are counted from now on, unless they were before."""
        with self._transaction() as db:
            for line in lines:
                db.execute("INSERT OR IGNORE INTO lines VALUES (?, ?, NULL)", (stream, line))
                db.execute(
                    "UPDATE lines SET since = ? WHERE stream = ? AND line = ? AND since IS NULL"
                    " AND NOT EXISTS (SELECT 1 FROM totals WHERE stream = ? AND line = ?)",
                    (at, stream, line, stream, line),
                )

    def count(self, passages: Collection[tuple[str, Passage]]) -> int:
        """Crossings with their streams: all of them, or none. How many."""
        with self._transaction() as db:
            for stream, one in passages:
                db.execute(
                    "INSERT INTO totals VALUES (?, ?, ?, ?, 1) ON CONFLICT DO UPDATE SET number = number + 1",
                    (stream, one.line, one.class_name, one.direction),
                )
                if one.at is not None:
                    row = (stream, one.line, one.at, one.direction, one.class_name, one.track)
                    db.execute("INSERT INTO crossings VALUES (NULL, ?, ?, ?, ?, ?, ?)", row)
        return len(passages)

    def standing(self, stream: str, line: str) -> Standing:
        """In all."""
        where = (stream, line)
        found = self._db.execute("SELECT since FROM lines WHERE stream = ? AND line = ?", where).fetchone()
        by_class: dict[str, dict[Direction, int]] = {}
        for name, direction, number in self._db.execute(
            "SELECT class, direction, number FROM totals WHERE stream = ? AND line = ?", where
        ):
            by_class.setdefault(name, {"in": 0, "out": 0})[direction] = number
        return Standing(found[0] if found else None, by_class)

    def within(self, stream: str, line: str, span: tuple[float, float]) -> dict[Direction, int]:
        """Crossings of a time."""
        rows = self._db.execute(
            "SELECT direction, COUNT(*) FROM crossings"
            " WHERE stream = ? AND line = ? AND at >= ? AND at < ? GROUP BY direction",
            (stream, line, *span),
        )
        return {"in": 0, "out": 0, **dict(rows)}

    def highest(self, stream: str) -> int:
        """No id of a track up to this one may be given."""
        row = self._db.execute("SELECT highest FROM marks WHERE stream = ?", (stream,)).fetchone()
        return int(row[0]) if row else 0

    def raise_mark(self, stream: str, highest: int) -> None:
        """Ids up to this one may be given now; it never sinks."""
        self._db.execute(
            "INSERT INTO marks VALUES (?, ?)"
            " ON CONFLICT DO UPDATE SET highest = MAX(highest, excluded.highest)",
            (stream, highest),
        )

    def looked_at(self, stream: str) -> float | None:
        """When a stream was looked at last, as far as was noted; none: never."""
        row = self._db.execute("SELECT at FROM looks WHERE stream = ?", (stream,)).fetchone()
        return float(row[0]) if row else None

    def look(self, stream: str, at: float, gap_since: float | None = None) -> None:
        """It was looked at; `gap_since`: and before, from then on, it was not."""
        with self._transaction() as db:
            if gap_since is not None:
                db.execute("INSERT INTO gaps VALUES (NULL, ?, ?, ?)", (stream, gap_since, at))
            db.execute(
                "INSERT INTO looks VALUES (?, ?) ON CONFLICT DO UPDATE SET at = excluded.at", (stream, at)
            )

    def told(self, keys: Iterable[PlaceKey], now: float) -> list[PlaceKey]:
        """The broker retains these from now on; those of earlier days that it shall not retain any more."""
        with self._transaction() as db:
            db.execute("UPDATE told SET gone = ? WHERE gone IS NULL", (now,))
            for key in keys:
                db.execute("INSERT OR REPLACE INTO told VALUES (?, ?, ?, ?, NULL)", key)
            db.execute("DELETE FROM told WHERE gone < ?", (now - GONE_S,))
            gone = db.execute("SELECT node, stream, kind, place FROM told WHERE gone IS NOT NULL").fetchall()
        return [PlaceKey(*row) for row in gone]

    def tidy(self, now: float) -> None:
        """Forget what is old or too much."""
        for table, most, column in (("crossings", MOST_CROSSINGS, "at"), ("gaps", MOST_GAPS, "ended")):
            self._db.execute(
                f"DELETE FROM {table} WHERE {column} < ? OR id <= (SELECT MAX(id) FROM {table}) - ?",  # noqa: S608
                (now - KEPT_S, most),
            )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
