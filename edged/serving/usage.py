"""How often and how lately a service was asked, so that who must leave memory is the one least missed."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Usage:
    """Of one service, from the moment at which it was ready. Safe from all threads."""

    def __init__(self) -> None:
        self.since = time.monotonic()
        """When it was ready; `time.monotonic()`."""
        self.last = self.since
        """When it was asked last, or an answer of it was done; the same clock."""
        self.times = 0
        """How often it was asked."""
        self._at_work = 0
        self._done = 0
        self._lock = threading.Lock()

    def note(self) -> None:
        """Somebody asks for it."""
        with self._lock:
            self.times += 1
            self.last = time.monotonic()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """It is busy until the end of the block, which for a video may take minutes."""
        with self._lock:
            self._at_work += 1
        try:
            yield
        finally:
            with self._lock:
                self._at_work -= 1
                self._done += 1
                self.last = time.monotonic()

    def has_worked(self) -> bool:
        """Whether it is at work, or was since this was asked the last time; one alone asks."""
        with self._lock:
            done, self._done = self._done, 0
            return done + self._at_work > 0

    @property
    def is_busy(self) -> bool:
        """Whether some answer is in work."""
        return self._at_work > 0
