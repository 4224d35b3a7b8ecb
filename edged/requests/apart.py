"""Lanes with threads of their own: for services in processes of their own, and for jobs.

Who asks one of these may wait for a process that hangs, or for minutes; no worker of the others shall.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edged.flow.counters import Counters
from edged.flow.mailbox import Fifo
from edged.requests.call import Call
from edged.serving.scheduler import Scheduler

THREADS = 2
"""A service: beside a recording that takes minutes there is one for what takes milliseconds."""


@dataclass(frozen=True, slots=True)
class _Lane:
    calls: Fifo[Call]
    workers: Scheduler


class Apart:
    """The lanes, each made with its first call. Safe from all threads."""

    def __init__(
        self,
        box: Callable[[], Fifo[Any]],
        work: Callable[[Call], None],
        counters: Counters,
        threads: int = THREADS,
    ) -> None:
        """`box` makes the queue of a lane, which has so many threads."""
        self._box = box
        self._work = work
        self._counters = counters
        self._threads = threads
        self._lanes: dict[str, _Lane] = {}
        self._lock = threading.Lock()

    def put(self, name: str, call: Call, size: int) -> None:
        """Queue a call, which holds so many bytes, in the lane of that name. Raises `QueueFull`."""
        with self._lock:
            if (lane := self._lanes.get(name)) is None:
                lane = self._lanes[name] = self._opened(name)
        lane.calls.put(call, size)

    def queued(self) -> dict[str, int]:
        """Calls waiting, by lane."""
        with self._lock:
            lanes = list(self._lanes.values())
        return {name: number for lane in lanes for name, number in lane.workers.queued().items()}

    def stop(self) -> None:
        """Finish what is in work, and drop what waits."""
        with self._lock:
            lanes, self._lanes = list(self._lanes.values()), {}
        for lane in lanes:
            lane.workers.stop()
            while (call := lane.calls.take()) is not None:
                call.close()

    def _opened(self, name: str) -> _Lane:
        lane = _Lane(self._box(), Scheduler(name, self._threads, self._counters))
        lane.workers.add(name, lane.calls, self._work, self._threads)
        lane.workers.start()
        return lane
