"""By how much this process grows while something is opened in it, and while what is open works."""

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from weakref import WeakSet

from edged.flow.footprint import give_back, resident


class Grown:
    """What one service takes of this process: by its opening, and by its work."""

    def __init__(self) -> None:
        self._opened = 0.0
        self._worked = 0.0
        self._most = 0.0

    @property
    def opened(self) -> int:
        """Bytes that its opening took; 0 where the process shrank meanwhile."""
        return max(0, round(self._opened))

    @property
    def size(self) -> int:
        """Bytes that it holds now, as far as is known."""
        return self.opened + round(self._worked)

    @property
    def most(self) -> int:
        """Bytes that it held at its peak."""
        return max(self.size, round(self._most))

    def open(self, change: float) -> None:
        """Its opening took so many bytes more, or fewer."""
        self._opened += change

    def work(self, change: float) -> float:
        """Its work took so many bytes more, or gave some back; what it never took is returned, 0 or less."""
        self._worked += change
        left = min(0.0, self._worked)
        self._worked -= left
        return left

    def peak(self, above: float) -> None:
        """For a moment it held so many bytes above what it holds now."""
        self._most = max(self._most, self.size + above)


class Growth:
    """Shares out what the process grows. Safe from all threads.

    Among those that are being opened; else what grew while a single one worked is that one's, and what grew
    while several did, or none, is nobody's: `beside`. Approximate: others take memory and give it back
    meanwhile, and what is shared counts for the one that came first.
    """

    def __init__(self, footprint: Callable[[], tuple[int, int]] = resident) -> None:
        """`footprint` gives the bytes that this process holds, and held at most since it was asked last."""
        self._footprint = footprint
        self._opening: list[Grown] = []
        self._all: WeakSet[Grown] = WeakSet()
        self._before: int | None = None
        self._lock = threading.Lock()
        self.now = 0
        """Bytes that this process held when somebody looked last."""
        self.most = 0
        """Bytes that it held at its peak."""
        self.beside = Grown()
        """What cannot be told whose it is."""

    @contextmanager
    def watched(self) -> Iterator[Grown]:
        """Something is opened until the end of the block; only then is its size right.

        What was freed is given back to the system first, before and after: others leave some behind, and
        compiling needs more than running.
        """
        grown = Grown()
        give_back()
        with self._lock:
            self._share_out(())
            self._opening.append(grown)
        try:
            yield grown
        finally:
            give_back()
            with self._lock:
                self._share_out(())
                self._opening.remove(grown)
                self._all.add(grown)

    def look(self, at_work: Sequence[Grown]) -> None:
        """Share out what changed since the last look; `at_work`: who worked meanwhile."""
        with self._lock:
            self._share_out(at_work)

    def left(self) -> None:
        """What was given back since the last look belonged to one that is gone."""
        with self._lock:
            self._share_out(None)

    def _share_out(self, at_work: Sequence[Grown] | None) -> None:
        self.now, most = self._footprint()
        self.most = max(self.most, most)
        change = 0 if self._before is None else self.now - self._before
        self._before = self.now
        if self._opening:
            for one in self._opening:
                one.open(change / len(self._opening))
                one.peak((most - self.now) / len(self._opening))
        elif at_work is not None:
            one = at_work[0] if len(at_work) == 1 else self.beside
            _shrink([*self._all, self.beside], one.work(change))
            one.peak(most - self.now)


def _shrink(grown: Collection[Grown], by: float) -> None:
    """What was given back, and nobody knows by whom: all that took some for their work, each its share."""
    taken = {one: one.size - one.opened for one in grown}
    whole = sum(taken.values())
    for one, size in taken.items():
        if size:
            one.work(max(-1.0, by / whole) * size)
