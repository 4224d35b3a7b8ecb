"""A device's right to run: requests before frames before jobs, taken for one `Session.run` at a time.

A job that is cut in steps no longer than a detection therefore never holds up a request for more than a
step. Strict priority alone would let a flood of requests starve the cameras, so after `PATIENCE` grants
that passed over somebody, the one of them that has waited longest is served.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

from edged.contracts.slot import Priority

PATIENCE = 8
"""Grants in a row that may pass over a waiting lower priority."""


class DeviceSlot:
    """At most `capacity` runs at a time, handed on by priority. Implements `contracts.slot.Slot`."""

    def __init__(self, capacity: int, full: Callable[[bool], None] = lambda _: None) -> None:
        """`full` is called, with a lock held, when nothing is free any more, and when something is again."""
        self._free = capacity
        self._full = full
        self._lock = threading.Lock()
        self._waiting: dict[Priority, deque[tuple[int, threading.Lock]]] = {p: deque() for p in Priority}
        self._tickets = count()
        self._passed_over = 0

    @contextmanager
    def hold(self, priority: Priority) -> Iterator[None]:
        """Wait for the turn; the right is given back at the end of the block."""
        self._acquire(priority)
        try:
            yield
        finally:
            self._release()

    def _acquire(self, priority: Priority) -> None:
        with self._lock:
            if self._free:  # nobody waits while something is free
                self._free -= 1
                if not self._free:
                    self._full(True)
                return
            turn = threading.Lock()
            turn.acquire()
            self._waiting[priority].append((next(self._tickets), turn))
        turn.acquire()  # released by whoever hands the right on

    def _release(self) -> None:
        with self._lock:
            queues = [self._waiting[p] for p in Priority if self._waiting[p]]
            if not queues:
                self._free += 1
                if self._free == 1:
                    self._full(False)
                return
            self._passed_over = self._passed_over + 1 if len(queues) > 1 else 0
            chosen = queues[0]
            if self._passed_over > PATIENCE:
                chosen = min(queues[1:], key=lambda queue: queue[0][0])
                self._passed_over = 0
            chosen.popleft()[1].release()
