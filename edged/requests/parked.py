"""Requests that wait until their service is up. They hold no worker, and no thread."""

import threading
from collections.abc import Callable

from edged.contracts.errors import QueueFull
from edged.requests.call import Call


class Parked:
    """Bounded by the same number as any queue. Safe from all threads."""

    def __init__(self, is_loading: Callable[[str], bool], leave: Callable[[Call], None], most: int) -> None:
        """`leave` takes the calls whose service is up, and those that wait no more: these have an answer."""
        self._is_loading = is_loading
        self._leave = leave
        self._most = most
        self._calls: list[Call] = []
        self._lock = threading.Lock()

    def put(self, call: Call) -> None:
        """Wait for the service of a call. Raises `QueueFull`."""
        with self._lock:
            self._calls = [waiting for waiting in self._calls if not waiting.replied]
            if len(self._calls) >= self._most:
                raise QueueFull(f"{self._most} requests wait already for services to load; try again later")
            self._calls.append(call)
        self.look()  # it may have come up meanwhile

    def look(self) -> None:
        """A service has changed, or a request was cancelled: who need not wait any more goes on."""
        with self._lock:
            leaving = [call for call in self._calls if self._may_leave(call)]
            self._calls = [call for call in self._calls if call not in leaving]
        for call in leaving:
            self._leave(call)

    def clear(self) -> None:
        """Forget them: they stay with the journal of who submitted them."""
        with self._lock:
            self._calls.clear()

    def __len__(self) -> int:
        """How many wait."""
        return sum(not call.replied for call in self._calls)

    def _may_leave(self, call: Call) -> bool:
        with call.step():
            call.run.check()
        return call.answer is not None or not self._is_loading(call.job.service)
