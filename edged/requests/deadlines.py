"""Whoever asked gets an answer at the deadline at the latest, whatever the worker does."""

import heapq
import itertools
import threading
import time
from collections.abc import Callable

from edged.requests.call import Call, CallTimer


class Deadlines:
    """A unit: one thread that sleeps until the next deadline."""

    def __init__(self, late: Callable[[Call], None]) -> None:
        """`late` is called with each call whose time is over and that nobody has answered."""
        self._late = late
        self._watched: list[tuple[float, int, CallTimer]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="requests-deadlines", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Nobody is answered any more: what waits stays with the journal of who submitted it."""
        with self._changed:
            self._stopping = True
            self._watched.clear()
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout=10)

    def state(self) -> str:
        """`running`, or what is wrong."""
        return "running" if self._thread.is_alive() else "the thread of the deadlines died"

    def beat(self) -> float:
        """To wait is no fault."""
        return time.monotonic()

    def watch(self, call: Call) -> None:
        """From now on; again when its deadline is another."""
        call.timers.append(timer := CallTimer(call))
        with self._changed:
            first = not self._watched or call.deadline < self._watched[0][0]
            heapq.heappush(self._watched, (call.deadline, next(self._numbers), timer))
            if first:
                self._changed.notify()
        if call.replied:  # meanwhile
            call.quiet()

    def _run(self) -> None:
        while not self._stopping:
            for call in self._over():
                self._late(call)

    def _over(self) -> list[Call]:
        """Those whose time is over, as soon as there are any."""
        over: list[Call] = []
        with self._changed:
            now = time.monotonic()
            while self._watched and (self._watched[0][0] <= now or self._watched[0][2].call is None):
                _, _, timer = heapq.heappop(self._watched)
                if (call := timer.call) is not None and call.deadline <= now and call not in over:
                    over.append(call)  # once, though it was watched twice
            if not over and not self._stopping:
                self._changed.wait(self._watched[0][0] - now if self._watched else None)
        return over
