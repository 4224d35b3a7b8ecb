"""By how much this process grows while something is opened in it, though several are at a time."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edged.flow.footprint import give_back, pss_of


class Grown:
    """What one opening took."""

    def __init__(self) -> None:
        self._size = 0.0

    @property
    def size(self) -> int:
        """Bytes; 0 where the process shrank meanwhile."""
        return max(0, round(self._size))

    def add(self, size: float) -> None:
        """So many bytes more, or fewer."""
        self._size += size


class Growth:
    """Shares out what the process grows among those that are being opened. Safe from all threads.

    Approximate: what grows while two are opened counts half for each, and others take memory and give it back
    meanwhile. What is shared counts for the one that came first.
    """

    def __init__(self, footprint: Callable[[], int] = pss_of) -> None:
        """`footprint` gives the bytes that this process holds."""
        self._footprint = footprint
        self._opening: list[Grown] = []
        self._before = 0
        self._lock = threading.Lock()

    @contextmanager
    def watched(self) -> Iterator[Grown]:
        """Something is opened until the end of the block; only then is its size right.

        What was freed meanwhile is given back to the system first: compiling needs more than running.
        """
        grown = Grown()
        with self._lock:
            self._share_out()
            self._opening.append(grown)
        try:
            yield grown
        finally:
            give_back()
            with self._lock:
                self._share_out()
                self._opening.remove(grown)

    def _share_out(self) -> None:
        now = self._footprint()
        for one in self._opening:
            one.add((now - self._before) / len(self._opening))
        self._before = now
