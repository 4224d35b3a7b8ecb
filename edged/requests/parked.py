"""Requests that wait until their service is up. They hold no worker."""

import threading
import time
from collections.abc import Callable

from edged.contracts.errors import QueueFull
from edged.requests.call import Call

TICK_S = 0.5
"""So often it is looked whether somebody need not wait any more: past the deadline, or cancelled."""


class Parked:
    """A unit. Bounded by the same limits as any queue."""

    def __init__(self, is_loading: Callable[[str], bool], leave: Callable[[Call], None], most: int) -> None:
        """`leave` takes the calls whose service is up, and those that wait no more: these have an answer."""
        self._is_loading = is_loading
        self._leave = leave
        self._most = most
        self._calls: list[Call] = []
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._watch, name="requests-parked", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Forget them: they stay with the journal of who submitted them."""
        with self._changed:
            self._stopping = True
            self._calls.clear()
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout=10)

    def state(self) -> str:
        """`running`, or what is wrong."""
        return "running" if self._thread.is_alive() else "the thread of parked requests died"

    def beat(self) -> float:
        """That somebody waits is no fault."""
        return time.monotonic()

    def put(self, call: Call) -> None:
        """Wait for the service of a call. Raises `QueueFull`."""
        with self._changed:
            if len(self._calls) >= self._most:
                raise QueueFull(f"{self._most} requests wait already for services to load; try again later")
            self._calls.append(call)
            self._changed.notify()

    def look(self) -> None:
        """A service has changed: who waited for it may go on."""
        with self._changed:
            self._changed.notify()

    def __len__(self) -> int:
        """How many wait."""
        return len(self._calls)

    def _watch(self) -> None:
        while not self._stopping:
            with self._changed:
                self._changed.wait(TICK_S if self._calls else None)
                leaving = [call for call in self._calls if self._may_leave(call)]
                self._calls = [call for call in self._calls if call not in leaving]
            for call in leaving:
                self._leave(call)

    def _may_leave(self, call: Call) -> bool:
        with call.step():
            call.run.check()
        return call.answer is not None or not self._is_loading(call.job.service)
