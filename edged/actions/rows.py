"""What is to be done, on disk: rows of the book of events, written with the event in one transaction."""

import sqlite3
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, Protocol, TypeVar

T = TypeVar("T")

MOST = 50
"""Rows that are looked at at a time."""


class Due(NamedTuple):
    """A message that has not arrived yet."""

    row: int
    event: bytes
    """JSON of an `EventMessage`."""
    made: float | None
    """Seconds since the epoch; none: nobody had set the box's clock."""
    tries: int
    """So many failed."""


class Do(Protocol):
    """A transaction of the file; none where it fails. Safe from all threads."""

    def __call__(self, work: Callable[[sqlite3.Connection], T], /) -> T | None:
        """What the work returns."""


class ActionRows:
    """The rows of the table `actions` in the file of counts and events.

    Safe from all threads; nothing raises. False: it cannot be written, and nothing is changed.
    """

    def __init__(self, do: Do) -> None:
        self._do = do

    def due(self, action: str) -> Sequence[Due] | None:
        """The oldest messages of an action; none: nothing can be read."""
        query = (
            "SELECT row, body, actions.made, tries FROM actions JOIN events ON number = event"
            " WHERE action = ? ORDER BY row LIMIT ?"
        )
        found = self._do(lambda db: db.execute(query, (action, MOST)).fetchall())
        return None if found is None else [Due(*one) for one in found]

    def over(self, row: int) -> bool:
        """It has arrived, or is given up."""
        return self._changed("DELETE FROM actions WHERE row = ?", row)

    def failed(self, row: int, due: float, why: str) -> bool:
        """One more try has failed; the next one comes at `due`, seconds since the epoch."""
        return self._changed(
            "UPDATE actions SET tries = tries + 1, due = ?, why = ? WHERE row = ?", due, why, row
        )

    def waiting(self) -> dict[str, int]:
        """How many messages wait, by action."""
        query = "SELECT action, COUNT(*) FROM actions GROUP BY action"
        return dict(self._do(lambda db: db.execute(query).fetchall()) or ())

    def keep_only(self, actions: Collection[str]) -> int:
        """There are no others any more. How many messages that were to others are dropped."""
        gone = [name for name in self.waiting() if name not in actions]
        query = "DELETE FROM actions WHERE action = ?"
        return self._do(lambda db: sum(db.execute(query, (name,)).rowcount for name in gone)) or 0

    def _changed(self, statement: str, *values: object) -> bool:
        return self._do(lambda db: db.execute(statement, values).rowcount) is not None
