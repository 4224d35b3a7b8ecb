"""Workshops in children: one model, one step a call, within the memory that nobody wants otherwise."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

from edged.children.child import Child
from edged.children.wire import Message
from edged.contracts.errors import NotReady
from edged.contracts.slot import Slot
from edged.flow.budget import Budget
from edged.repository.questions import Questions
from edged.serving.run import RunHandle

NEEDED_BYTES, NEEDED_TIMES = 450_000_000, 8
"""Memory that deriving a model takes: the libraries, and so many times its weights."""

Make = Callable[[str, bool, int, str], Child]
"""Makes the child with the workshop of a model, which yields its time to others or not, and may hold so many
bytes of memory; what is temporary lies in the folder that is named."""
Told = Callable[[float], None]
Step = Callable[[dict[str, object], Told | None], Message]
"""Has the child make what is said; tells the share that is done."""


class Workshops:
    """One at a time; ended by `close` from any thread, and when somebody else waits for its memory."""

    def __init__(self, make: Make, memory: Budget, slot_for: Callable[[str], Slot]) -> None:
        self._make = make
        self._memory = memory
        self._slot_for = slot_for
        self._child: Child | None = None
        self.short = threading.Event()
        """Set when memory was short, until the next one is opened."""
        self._closed = threading.Event()
        memory.on_shortage(self.short.set)

    def close(self) -> None:
        """End the one that is open; none is opened any more."""
        self._closed.set()
        self._memory.off_shortage(self.short.set)
        if (child := self._child) is not None:
            child.close()

    @contextmanager
    def open(self, model: str, weights: int, yields: bool) -> Iterator[Step]:
        """The workshop of a model whose weights have so many bytes, for as long as the block lasts.

        Raises `NotReady` without memory, and when it must leave; and as `Child.report`.
        """
        self.short.clear()
        room = self._room(NEEDED_BYTES + NEEDED_TIMES * weights)
        with TemporaryDirectory(prefix="edged-", ignore_cleanup_errors=True) as scratch:
            child = self._child = self._make(model, yields, room, scratch)
            try:
                child.start()
                if self._closed.is_set():  # it may have come too late to be closed
                    child.close()
                child.report()
                yield lambda said, told: self._step(child, said, told)
            finally:
                child.close()

    def _step(self, child: Child, said: dict[str, object], told: Told | None) -> Message:
        with Questions((), RunHandle(report=told), self._slot_for, None) as questions:
            return child.call(Message(said), self._check, questions.answer)

    def _room(self, needed: int) -> int:
        free = self._memory.total - self._memory.held
        if free < needed:
            self.short.set()
            raise NotReady(f"{needed} bytes of memory are wanted, and {free} are free")
        return free

    def _check(self) -> None:
        if self._closed.is_set() or self.short.is_set():
            raise NotReady("others want its memory, or the daemon ends")
