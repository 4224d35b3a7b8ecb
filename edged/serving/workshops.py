"""Workshops in children: one model, one step a call.

In the daemon within the memory that nobody wants otherwise; for `edged pull` within that of the box.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from tempfile import TemporaryDirectory

from edged.children.child import Child
from edged.children.talk import Answerer
from edged.children.wire import Message
from edged.contracts.card import VariantName
from edged.contracts.errors import NotReady, VariantError
from edged.contracts.slot import Report, Slot
from edged.flow.budget import Budget
from edged.repository.questions import Questions
from edged.runtimes.devices import usable_memory
from edged.serving.run import RunHandle

_WORDS = 100
NEEDED_BYTES, NEEDED_TIMES = 450_000_000, 8
"""Memory that deriving a model takes: the libraries, and so many times its weights."""

Make = Callable[[str, bool, int, str], Child]
"""Makes the child with the workshop of a model, which yields its time to others or not, and may hold so many
bytes of memory; what is temporary lies in the folder that is named."""
Told = Callable[[float], None]
Step = Callable[[dict[str, object], Told | None], Message]
"""Has the child make what is said; tells the share that is done."""


@contextmanager
def slots_alone(slot_for: Callable[[str], Slot]) -> Iterator[Answerer]:
    """Answers a child that asks for nothing but slots, as while it opens models. A `Desk`."""
    with Questions((), None, slot_for, None) as questions:
        yield questions.answer


class PullWorkshop:
    """Makes all of a model in a process of its own, which its plugin may take along. A `DeriveApart`."""

    def __init__(self, make: Make, slot_for: Callable[[str], Slot]) -> None:
        self._make = make
        self._slot_for = slot_for

    def __call__(
        self, model: str, variants: Iterable[VariantName] | None, report: Report
    ) -> dict[VariantName, str]:
        """As `Workshop.run`; raises `VariantError` where that raises, and as `Child.report` and `call`."""
        wanted = None if variants is None else list(variants)
        with TemporaryDirectory(prefix="edged-", ignore_cleanup_errors=True) as scratch:
            child = self._make(model, False, usable_memory(), scratch)
            try:
                child.start()
                child.report()
                with slots_alone(self._slot_for) as answer:
                    asked = Message({"derive": wanted, "measure": True})
                    made = child.call(asked, _nobody_waits, partial(_told, report, answer)).tree
            finally:
                child.close()
        if made["left_out"] is None:
            raise VariantError(made["why_not"])
        return {**made["left_out"]}


def _told(report: Report, answer: Answerer, said: Message) -> Message | None:
    """What a child says while it works; how far it is, in hundredths."""
    if said.tree.get("said") != "progress":
        return answer(said)
    report(str(said.tree["task"])[:_WORDS], round(100 * float(said.tree["done"])), 100)
    return None


def _nobody_waits() -> None:
    """It takes as long as it takes."""


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
