"""Things that are made once, shared by those who want the same, and let go with the last of them."""

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class _Entry(Generic[V]):
    def __init__(self) -> None:
        self.users = 0
        self.made: list[V] = []
        self.lock = threading.Lock()


class Shared(Generic[K, V]):
    """Values by key, reference-counted. Making one holds up those who want the same key, and nobody else."""

    def __init__(self) -> None:
        self._entries: dict[K, _Entry[V]] = {}
        self._lock = threading.Lock()

    def acquire(self, key: K, make: Callable[[], V]) -> V:
        """The value of `key`, made by `make` when there is none; each call wants one `release`.

        When `make` raises, the next who waits for the key tries again.
        """
        with self._lock:
            entry = self._entries.setdefault(key, _Entry())
            entry.users += 1
        try:
            with entry.lock:
                if not entry.made:
                    entry.made.append(make())
                return entry.made[0]
        except BaseException:
            self.release(key)
            raise

    def release(self, key: K) -> V | None:
        """Give one use back. Returns the value when this was the last: it is forgotten here."""
        with self._lock:
            entry = self._entries[key]
            entry.users -= 1
            if entry.users:
                return None
            del self._entries[key]
            return entry.made[0] if entry.made else None

    def __len__(self) -> int:
        """Keys in use."""
        return len(self._entries)
