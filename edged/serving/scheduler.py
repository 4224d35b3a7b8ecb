"""Workers that take from lanes: a lane is a mailbox and what is to be done with its items.

The lane that has used the least time goes first, so one busy camera never starves another.
"""

import itertools
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edged.flow.counters import Counters
from edged.flow.mailbox import Mailbox
from edged.flow.pulse import last_beat

log = logging.getLogger(__name__)

STOP_S = 10.0
"""So long all workers together are waited for; one that hangs ends with the process."""
CREDIT_S = 1.0
"""A lane that was idle is treated as if it had used at most so much less than the others."""

GOLDEN = (5**0.5 - 1) / 2
"""Its multiples, without what is whole of them, lie evenly in 0 to 1 however many they are."""


@dataclass(slots=True)
class _Share:
    """A lane's share of the workers."""

    mailbox: Mailbox[Any]
    work: Callable[[Any], None]
    limit: int
    alone: bool = False
    used_s: float = 0.0
    active: int = 0

    def ready(self) -> int:
        """Items that could be worked on now."""
        return min(self.limit - self.active, len(self.mailbox))


class Scheduler:
    """A unit: at most `threads` workers that serve lanes, each begun when there is work for it."""

    def __init__(self, name: str, threads: int, counters: Counters) -> None:
        self._name = name
        self._most = threads
        self._counters = counters
        self._lanes: dict[str, _Share] = {}
        self._changed = threading.Condition()
        self._stopping = False
        self._clock_s = 0.0
        self._busy_since: dict[int, float] = {}
        self._phases = itertools.count()
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._started = False

    def add(
        self,
        name: str,
        mailbox: Mailbox[Any],
        work: Callable[[Any], None],
        limit: int = 1,
        *,
        alone: bool = False,
    ) -> None:
        """Serve a lane, with at most `limit` of its items in work at a time (1 keeps their order).

        `alone`: only when no other lane has anything to do, and then nothing else is begun.
        """
        with self._changed:
            self._lanes[name] = _Share(mailbox, work, limit, alone, self._clock_s)
        mailbox.ready = self._wake
        self._wake()

    def phase(self) -> float:
        """Where in its period another lane should lie, a share of it: as far from those before as can be."""
        return next(self._phases) * GOLDEN % 1

    def remove(self, name: str) -> None:
        """Take no more items of a lane; returns when none of them is in work any more."""
        with self._changed:
            lane = self._lanes.pop(name, None)
            if lane is not None:
                self._changed.wait_for(lambda: lane.active == 0, timeout=10)

    def work_off(self) -> None:
        """Do all that waits, in the caller's thread: of one that is never started, as there is no hurry."""
        for lane in list(self._lanes.values()):
            while (item := lane.mailbox.take()) is not None:
                lane.work(item)

    def queued(self) -> dict[str, int]:
        """Items waiting, by lane."""
        with self._changed:
            return {name: len(lane.mailbox) for name, lane in self._lanes.items()}

    def start(self) -> None:
        """Serve the lanes from now on."""
        self._started = True
        self._wake()

    def stop(self) -> None:
        """Let the workers finish what they have in hand."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        ends_at = time.monotonic() + STOP_S
        for thread in self._threads:
            thread.join(timeout=max(0.0, ends_at - time.monotonic()))

    def state(self) -> str:
        """`running`, or which workers died."""
        dead = [t.name for t in self._threads if not t.is_alive()]
        return "running" if not dead else f"dead workers: {', '.join(dead)}"

    def beat(self) -> float:
        """The last sign of life of the slowest worker, from its work or from its beginning; now, when none
        works."""
        signs = (
            max(since, last_beat(self._threads[worker].ident))
            for worker, since in self._busy_since.copy().items()
        )
        return min(signs, default=time.monotonic())

    def _wake(self) -> None:
        with self._changed:
            self._grow()
            self._changed.notify()

    def _grow(self) -> None:
        """Begin another worker if there is more to do than idle ones can; with the lock held."""
        number = len(self._threads)
        if not self._started or self._stopping or number == self._most:
            return
        if sum(lane.ready() for lane in self._lanes.values()) > self._idle:
            name = f"{self._name}-{number}"
            thread = threading.Thread(target=self._loop, args=(number,), name=name, daemon=True)
            thread.start()  # before anybody sees it, for whoever does takes one that does not run for dead
            self._threads.append(thread)

    def _next(self) -> _Share | None:
        lanes = self._lanes.values()
        if any(lane.alone and lane.active for lane in lanes):
            return None
        ready = [lane for lane in lanes if lane.ready() > 0]
        if not any(lane.active for lane in lanes) and all(lane.alone for lane in ready):
            return ready[0] if ready else None
        return min((lane for lane in ready if not lane.alone), key=lambda lane: lane.used_s, default=None)

    def _loop(self, worker: int) -> None:
        while True:
            with self._changed:
                while (lane := self._next()) is None:
                    if self._stopping:
                        return
                    self._idle += 1
                    self._changed.wait()
                    self._idle -= 1
                if self._stopping:
                    return
                lane.active += 1
                lane.used_s = self._clock_s = max(lane.used_s, self._clock_s - CREDIT_S)
            self._serve(lane, worker)

    def _serve(self, lane: _Share, worker: int) -> None:
        started = self._busy_since[worker] = time.monotonic()
        try:
            item = lane.mailbox.take()
            if len(self._threads) < self._most:
                self._wake()
            if item is not None:
                lane.work(item)
        except Exception:
            self._counters.count("worker_errors", self._name)
            log.exception("%s: an item failed in a way that its route did not expect", self._name)
        finally:
            del self._busy_since[worker]
            with self._changed:
                lane.used_s += time.monotonic() - started
                lane.active -= 1
                self._changed.notify_all()
