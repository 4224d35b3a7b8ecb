"""Which message of an action is next, and which ones are left out."""

import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from edged.actions.rate import Rate, Window
from edged.actions.rows import Due
from edged.flow.clock import state as clock_state


class _Seen(NamedTuple):
    """A message that may be sent."""

    at: float
    """`time.monotonic()` when it was first seen."""
    left_out: int
    """So many were left out before it, after the one before it."""


class Order:
    """Of one action; used by one thread."""

    def __init__(self, at_most: Rate) -> None:
        self._window = Window(at_most)
        self._seen: dict[int, _Seen] = {}
        self._aside: dict[int, float] = {}
        """Rows that let others by, until then."""
        self._left_out = 0
        """Since the newest that was let in."""

    def excess(self, rows: Sequence[Due], now: float) -> Iterator[Due]:
        """Let those in that are new; yields those that are over `at_most`, which are to be left out.

        Judged by when they were made: the answer is the same after a kill.
        """
        self._seen = {one.row: self._seen[one.row] for one in rows if one.row in self._seen}
        self._aside = {row: until for row, until in self._aside.items() if row in self._seen and until > now}
        for one in rows:
            at = time.time() if one.made is None else one.made
            if one.row in self._seen:
                continue
            if self._window.wait(at) > 0:
                self._left_out += 1
                yield one
            else:
                self._window.take(at)
                self._seen[one.row], self._left_out = _Seen(now, self._left_out), 0

    def next(self, rows: Sequence[Due]) -> Due | None:
        """The oldest that may be sent now."""
        return next((one for one in rows if one.row in self._seen and one.row not in self._aside), None)

    def left_out_before(self, one: Due) -> int:
        """How many messages nobody was sent, between the one before and this."""
        return self._seen[one.row].left_out

    def age(self, one: Due) -> float:
        """Seconds; where a clock was not set at one of both times, since it was first seen."""
        seen = time.monotonic() - self._seen[one.row].at
        if one.made is None or clock_state() == "unsynced":
            return seen
        return max(seen, time.time() - one.made)

    def let_by(self, one: Due, until: float) -> None:
        """It stands behind the others until then, `time.monotonic()`."""
        self._aside[one.row] = until

    def given_up(self, one: Due) -> None:
        """What it would have told of those before it the next one tells."""
        self._left_out += self._seen[one.row].left_out
