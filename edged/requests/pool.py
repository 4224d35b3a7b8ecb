"""Children of one kind that work on strangers' files, one file at a time each."""

import io
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import IO

from edged.children.child import Child
from edged.children.talk import Answerer, nothing_to_answer
from edged.children.terms import Terms, Work
from edged.children.wire import Message
from edged.flow.budget import Budget

Ask = Callable[[Message], Message]


class ChildPool:
    """Starts them as they are wanted. Safe from all threads."""

    def __init__(self, name: str, work: Work, terms: Terms, memory: Budget, idle: int = 0) -> None:
        """`memory`: what they hold is counted there; `idle`: so many wait for the next file, which then need
        not wait for them."""
        self.name = name
        self._most_idle = idle
        self._work = work
        self._memory = memory
        self._terms = terms
        self._idle: list[Child] = []
        self._lock = threading.Lock()

    @contextmanager
    def child(self, check: Callable[[], None], answer: Answerer = nothing_to_answer) -> Iterator[Ask]:
        """One for a while. What is raised within ends it, as does what `check` raises while it is asked.

        `answer`: what is answered to what it says while it works.
        """
        child = self._taken()
        try:
            with child.turn(check) as turn:
                yield lambda message: turn(message, check, answer)
        except BaseException:
            child.close()  # whatever it is at, nobody wants it
            raise
        self._give_back(child)

    def close(self) -> None:
        """End those that wait."""
        with self._lock:
            idle, self._idle = self._idle, []
        for child in idle:
            child.close()

    def _taken(self) -> Child:
        with self._lock:
            while self._idle:
                if (child := self._idle.pop()).trouble() is None:
                    return child
                child.close()
        child = Child(self.name, self._work, replace(self._terms, account=self._memory.account()))
        child.start()
        return child

    def _give_back(self, child: Child) -> None:
        with self._lock:
            if len(self._idle) < self._most_idle:
                self._idle.append(child)
                return
        child.close()


def descriptor_of(file: IO[bytes]) -> int:
    """Of a file on a disk a new one with its own offset, for several children may read the same file, whose
    offset is left as it is; of bytes in memory one of a copy."""
    try:
        descriptor = file.fileno()  # what was spooled in memory goes to a disk
    except io.UnsupportedOperation:
        return _copied(file)
    file.flush()
    return os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)


def _copied(file: IO[bytes]) -> int:
    file.seek(0)
    descriptor = os.memfd_create("media", os.MFD_CLOEXEC)
    with os.fdopen(os.dup(descriptor), "wb") as copy:
        shutil.copyfileobj(file, copy)
    return descriptor
