"""Group commit: one sync for all that came within a moment, then all of them are told."""

import threading
from collections.abc import Callable

GATHER_S = 0.03
"""Seconds that the first waits for others to come."""


class GroupCommit:
    """Has a thread of its own. Safe from all threads; only `stop` blocks."""

    def __init__(self, sync: Callable[[], bool]) -> None:
        """`sync` makes everything safe that was written before; false: it is not, and nobody is told."""
        self._sync = sync
        self._waiting: list[Callable[[], object]] = []
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin; also once more, after `stop`."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="journal-sync", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Sync what waits, and end."""
        with self._changed:
            self._stopping.set()
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def after(self, told: Callable[[], object]) -> None:
        """Call `told` once what was written before is safe; never, where it cannot be made so."""
        with self._changed:
            self._waiting.append(told)
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopping.is_set())
                if not self._waiting:
                    return
            self._stopping.wait(GATHER_S)
            with self._changed:
                group, self._waiting = self._waiting, []
            if self._sync():
                for told in group:
                    told()
