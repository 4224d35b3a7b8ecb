"""Bounded hand-over between threads. A full one never blocks: `Latest` drops the older, `Fifo` refuses."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from edged.contracts.errors import QueueFull

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


def nobody() -> None:
    """Nobody waits yet."""


class Mailbox(Protocol[T_co]):
    """What a scheduler needs of either kind."""

    ready: Callable[[], None]
    """Called after each `put`, without a lock held; set by who takes."""

    def take(self) -> T_co | None:
        """The next item, or none. Never waits."""

    def __len__(self) -> int:
        """Items waiting."""


class Latest(Generic[T]):
    """Holds the newest item, or few; one more replaces the oldest, for which `dropped` is called."""

    def __init__(self, dropped: Callable[[], None] = nobody, room: int = 1) -> None:
        """`room`: items that it holds at most."""
        self.ready: Callable[[], None] = nobody
        self._dropped = dropped
        self._slot: deque[T] = deque(maxlen=room)
        self._lock = threading.Lock()

    def put(self, item: T) -> None:
        """Leave a newer item."""
        with self._lock:
            replaces = len(self._slot) == self._slot.maxlen
            self._slot.append(item)
        if replaces:
            self._dropped()
        self.ready()

    def take(self) -> T | None:
        """The oldest that is held, or none."""
        with self._lock:
            return self._slot.popleft() if self._slot else None

    def __len__(self) -> int:
        """Items waiting."""
        return len(self._slot)


class Fifo(Generic[T]):
    """First in, first out; bounded in count and in bytes."""

    def __init__(self, max_items: int, max_bytes: int) -> None:
        self.ready: Callable[[], None] = nobody
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._items: deque[tuple[T, int]] = deque()
        self._bytes = 0
        self._lock = threading.Lock()

    def put(self, item: T, size: int) -> None:
        """Leave an item of `size` bytes. Raises `QueueFull` when there is no room."""
        with self._lock:
            if len(self._items) >= self._max_items:
                raise QueueFull(f"{self._max_items} requests are waiting already; try again later")
            if self._items and self._bytes + size > self._max_bytes:
                raise QueueFull(f"the waiting requests hold {self._max_bytes} bytes already; try again later")
            self._items.append((item, size))
            self._bytes += size
        self.ready()

    def take(self) -> T | None:
        """The oldest item, or none."""
        with self._lock:
            if not self._items:
                return None
            item, size = self._items.popleft()
            self._bytes -= size
            return item

    def __len__(self) -> int:
        """Items waiting."""
        return len(self._items)
