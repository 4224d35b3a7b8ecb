"""Memory that threads share out: who needs some waits for its turn, and nobody takes what is not there."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from edged.contracts.errors import NotReady, TimedOut, TooLarge

_LOOK_S = 0.5
"""Seconds between two looks whether anybody still waits for who waits here."""
_ROOMY_PART = 10
"""There is room while such a part of it is free."""
_GROWN_S = 5.0
"""A process that takes all there is has been ended by then; what is still missing stays so."""


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


@dataclass(eq=False, slots=True)
class _Ticket:
    """A place in the line."""

    size: int


@dataclass(eq=False, slots=True)
class _Account:
    """Of bytes that are taken unasked."""

    may_leave: bool


class Budget:
    """Bytes for work that is worth counting. Safe from all threads.

    First come, first served: a small one does not overtake a large one, which would wait for ever.
    """

    def __init__(self, total: int, setting: str = "runtime.memory") -> None:
        """`setting`: what the errors name."""
        self._total = total
        self._setting = setting
        self._held = 0
        self._watched: dict[_Account, int] = {}
        self._line: deque[_Ticket] = deque()
        self._short: list[Callable[[], None]] = []
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
        return self._held + self.kept

    def on_shortage(self, tell: Callable[[], None]) -> None:
        """Call it, which must not wait, whenever somebody waits for bytes, or processes hold too many.

        What can be loaded again may leave then.
        """
        self._short.append(tell)

    def off_shortage(self, tell: Callable[[], None]) -> None:
        """Call it no more."""
        self._short.remove(tell)

    def _tell_short(self) -> None:
        for tell in self._short.copy():
            tell()

    @property
    def lacking(self) -> int:
        """Bytes that whoever is next in line waits for; 0 while nobody does."""
        with self._changed:
            return max(0, self._line[0].size + self.held - self._total) if self._line else 0

    @property
    def is_roomy(self) -> bool:
        """Whether nobody waits and some of it is free: then who could do with less may take more."""
        with self._changed:
            return not self._line and self._total - self.held >= self._total // _ROOMY_PART

    def account(self, *, may_leave: bool = False) -> Callable[[int], str | None]:
        """For a process, which does not ask before it takes: call it with the bytes that it holds now, 0 at
        its end. Those who ask get what is left.

        It says why that process must end: it is the largest of those that together hold more than there is.
        `may_leave`: for what gives its bytes back when `on_shortage` tells it to; it need not end for that.
        """
        return partial(self._watch, _Account(may_leave))

    @contextmanager
    def hold(
        self, size: int, deadline: float | None = None, check: Callable[[], None] = _patient
    ) -> Iterator[Share]:
        """So many bytes until the end of the block; waits for its turn until `deadline`, `time.monotonic()`.

        `check` is called now and then while it waits, and may raise. Raises `TooLarge` for what can never be
        had, `NotReady` for what processes do not leave, and `TimedOut`. Who holds some must not wait for
        more: two who do so may wait for each other.
        """
        self._wait(size, deadline, check)
        share = Share(self, size)
        try:
            yield share
        finally:
            share.keep(0)

    def _wait(self, size: int, deadline: float | None, check: Callable[[], None]) -> None:
        ticket, grown = _Ticket(size), time.monotonic() + _GROWN_S
        with self._changed:
            self._line.append(ticket)
            try:
                while self._line[0] is not ticket or self.held + size > self._total:
                    self._check_size(size, grown)
                    self._tell_short()
                    self._changed.wait(_seconds(deadline, self._setting))
                    check()
                self._held += size
            finally:
                self._line.remove(ticket)
                self._changed.notify_all()

    def _check_size(self, size: int, grown: float) -> None:
        if size > self._total:
            raise TooLarge(
                f"decoding it takes {size} bytes of memory, over `{self._setting}` of {self._total}; "
                "send less at a time"
            )
        if size > self._total - self.kept and time.monotonic() > grown:
            raise NotReady(
                f"decoding it takes {size} bytes of memory; of `{self._setting}` of {self._total} processes "
                f"of their own and services loaded on demand hold {self.kept}: raise it, or lower "
                "`max_memory` of their services"
            )

    @property
    def kept(self) -> int:
        """Bytes that processes and what was loaded on demand hold."""
        return sum(self._watched.values())

    def _watch(self, who: _Account, held: int) -> str | None:
        with self._changed:
            self._watched[who] = held
            if not held:
                del self._watched[who]
            self._changed.notify_all()
            if self.kept > self._total:
                self._tell_short()
            processes = [size for one, size in self._watched.items() if not one.may_leave]
            if who.may_leave or (kept := sum(processes)) <= self._total or held < max(processes):
                return None
        told = f"with its {held} bytes of memory all processes hold {kept}"
        return f"{told}, over `{self._setting}` of {self._total}"

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
