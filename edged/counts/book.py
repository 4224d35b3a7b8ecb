"""The counts on disk: everything told follows from what is here."""

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from edged.ops.movements import Crossing, Direction

KEPT_S = 400 * 86400.0
"""Seconds for which single crossings and gaps are kept; totals stay."""
MOST_CROSSINGS, MOST_GAPS = 5_000_000, 100_000

PlaceKind = Literal["line", "zone"]


@dataclass(frozen=True, slots=True)
class Passage:
    """Somebody crossed a line."""

    line: str
    direction: Direction
    class_name: str
    track: int
    at: float | None
    """Seconds since the epoch; none: the clock was not set, so it counts in the total alone."""

    @staticmethod
    def of(one: Crossing, is_set: bool) -> "Passage":
        """`is_set`: whether the clock is."""
        return Passage(one.line, one.direction, one.class_name, one.track, one.at if is_set else None)


@dataclass(frozen=True, slots=True)
class LineTotal:
    """How much a line has counted in all."""

    since: float | None
    """Seconds since the epoch; none: the clock was not set when it began."""
    by_class: Mapping[str, Mapping[Direction, int]]


class CountBook:
    """For as long as a transaction of the chronicle. Raises `sqlite3.Error`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def begin(self, stream: str, lines: Iterable[str], at: float | None) -> None:
        """These lines are counted from now on, unless they were before."""
        for line in lines:
            self._know(stream, line)
            self._db.execute(
                "UPDATE lines SET since = ? WHERE stream = ? AND line = ? AND since IS NULL"
                " AND NOT EXISTS (SELECT 1 FROM totals WHERE stream = ? AND line = ?)",
                (at, stream, line, stream, line),
            )

    def count(self, stream: str, passages: Iterable[Passage]) -> None:
        """Somebody crossed lines."""
        for one in passages:
            self._know(stream, one.line)  # the disk may have been full when it began
            self._db.execute(
                "INSERT INTO totals VALUES (?, ?, ?, ?, 1) ON CONFLICT DO UPDATE SET number = number + 1",
                (stream, one.line, one.class_name, one.direction),
            )
            if one.at is not None:
                row = (stream, one.line, one.at, one.direction, one.class_name, one.track)
                self._db.execute("INSERT INTO crossings VALUES (NULL, ?, ?, ?, ?, ?, ?)", row)

    def _know(self, stream: str, line: str) -> None:
        self._db.execute("INSERT OR IGNORE INTO lines VALUES (?, ?, NULL)", (stream, line))

    def standing(self, stream: str, line: str) -> LineTotal:
        """In all."""
        where = (stream, line)
        found = self._db.execute("SELECT since FROM lines WHERE stream = ? AND line = ?", where).fetchone()
        by_class: dict[str, dict[Direction, int]] = {}
        for name, direction, number in self._db.execute(
            "SELECT class, direction, number FROM totals WHERE stream = ? AND line = ?", where
        ):
            by_class.setdefault(name, {"in": 0, "out": 0})[direction] = number
        return LineTotal(found[0] if found else None, by_class)

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
        if gap_since is not None:
            self._db.execute("INSERT INTO gaps VALUES (NULL, ?, ?, ?)", (stream, gap_since, at))
        self._db.execute(
            "INSERT INTO looks VALUES (?, ?) ON CONFLICT DO UPDATE SET at = excluded.at", (stream, at)
        )

    def tidy(self, now: float | None) -> None:
        """Forget what is too much, and old. `now`: seconds since the epoch; none: nobody has set the clock.

        The oldest rows stand first: only what is forgotten is read.
        """
        for table, most, column in (("crossings", MOST_CROSSINGS, "at"), ("gaps", MOST_GAPS, "ended")):
            surplus = f"(SELECT MAX(id) FROM {table}) - ?"  # noqa: S608
            self._db.execute(f"DELETE FROM {table} WHERE id <= {surplus}", (most,))  # noqa: S608
            if now is not None:
                young = f"(SELECT id FROM {table} WHERE {column} >= ? ORDER BY id LIMIT 1)"  # noqa: S608
                self._db.execute(
                    f"DELETE FROM {table} WHERE id < COALESCE({young}, {2**62})",  # noqa: S608
                    (now - KEPT_S,),
                )
