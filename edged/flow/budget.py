"""Memory that threads share out: who needs some waits for its turn, and nobody takes what is not there."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edged.contracts.errors import TimedOut, TooLarge

_LOOK_S = 0.5
"""Seconds between two looks whether anybody still waits for who waits here."""


def _patient() -> None:
    """Somebody waits."""


class Share:
    """What somebody holds of a budget."""

    def __init__(self, budget: "Budget", size: int) -> None:
        self._budget = budget
        self.size = size
        """Bytes."""

    def keep(self, size: int) -> None:
        """Give back all but so many bytes."""
        self._budget._give_back(self.size - min(size, self.size))
        self.size = min(size, self.size)


class Budget:
    """Bytes for work that is worth counting. Safe from all threads.

    First come, first served: a small one does not overtake a large one, which would wait for ever.
    """

    def __init__(self, total: int, setting: str = "runtime.memory") -> None:
        """`setting`: what the errors name."""
        self._total = total
        self._setting = setting
        self._held = 0
        self._line: deque[object] = deque()
        self._changed = threading.Condition()

    def resize(self, total: int) -> None:
        """There are so many bytes from now on; who holds more keeps it."""
        with self._changed:
            self._total = total
            self._changed.notify_all()

    @property
    def total(self) -> int:
        """Bytes that there are."""
        return self._total

    @property
    def held(self) -> int:
        """Bytes that are in use."""
        return self._held

    @contextmanager
    def hold(
        self, size: int, deadline: float | None = None, check: Callable[[], None] = _patient
    ) -> Iterator[Share]:
        """So many bytes until the end of the block; waits for its turn until `deadline`, `time.monotonic()`.

        `check` is called now and then while it waits, and may raise. Raises `TooLarge` for what can never be
        had, and `TimedOut`. Who holds some must not wait for more: two who do so may wait for each other.
        """
        self._wait(size, deadline, check)
        share = Share(self, size)
        try:
            yield share
        finally:
            share.keep(0)

    def _wait(self, size: int, deadline: float | None, check: Callable[[], None]) -> None:
        ticket = object()
        with self._changed:
            self._line.append(ticket)
            try:
                while self._line[0] is not ticket or self._held + size > self._total:
                    self._check_size(size)
                    self._changed.wait(_seconds(deadline, self._setting))
                    check()
                self._held += size
            finally:
                self._line.remove(ticket)
                self._changed.notify_all()

    def _check_size(self, size: int) -> None:
        if size > self._total:
            raise TooLarge(
                f"decoding it takes {size} bytes of memory, over `{self._setting}` of {self._total}; "
                "send less at a time"
            )

    def _give_back(self, size: int) -> None:
        with self._changed:
            self._held -= size
            self._changed.notify_all()


def _seconds(deadline: float | None, setting: str) -> float:
    """How long to wait until the next look."""
    left = _LOOK_S if deadline is None else deadline - time.monotonic()
    if left <= 0:
        raise TimedOut(f"others used all of `{setting}` until the deadline; try again later, or send less")
    return min(left, _LOOK_S)
