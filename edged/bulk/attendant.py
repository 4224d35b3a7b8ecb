"""Who has a worker at work, and another one when an item kills it.

An item that was in work at two deaths is a row with an error. Who is killed together with its attendant, by
whoever ends the run, blames no item; machines that are lost are counted where the run is (`losses`).
"""

import os
import pickle
from base64 import b64encode
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from edged.bulk.batches import Batch
from edged.bulk.losses import MACHINES
from edged.bulk.piece import Piece
from edged.bulk.question import BulkQuestion
from edged.bulk.results import Error, Reckoning, Result, Results, Told
from edged.bulk.so_far import count_whole, line_of
from edged.bulk.stores import told
from edged.children.child import Child
from edged.children.terms import Terms, Work
from edged.children.wire import Message, Tree
from edged.contracts.errors import ChildDied, EdgedError, TimedOut
from edged.runtimes.devices import usable_memory

WORKER = "edged.bulk.answering:open_worker"
_LOST = f"{MACHINES} machines were lost with it"
_STUCK_S = 600.0
"""A worker that has said nothing for so long after an item should have been over hangs."""


def nobody(more: Reckoning) -> None:
    """Where nobody looks on."""


def always() -> None:
    """Where nobody wants it to end."""


May = Callable[[int], bool]
"""Asked before each item of a batch, by its number from 0: whether it may be asked, or has taken too many
machines along."""


class Attendant:
    """One thread at a time asks it; it and its worker end with `close`."""

    def __init__(self, question: BulkQuestion, results: Results, share: int) -> None:
        """Its first worker is starting then. `share`: so many have the memory of this machine together."""
        self._results = results
        work = pickle.dumps((question, results, share))
        self._work = Work(WORKER, {"work": b64encode(work).decode()})
        self._terms = Terms(
            memory_bytes=usable_memory() // share * 9 // 10,
            environment=tuple(os.environ.items()),  # keys of stores among them
            silent_s=question.patience_s + _STUCK_S,
            again=False,
        )
        self._worker = self._another()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the worker, whatever it does."""
        self._worker.close()

    def opened(self) -> None:
        """Wait until there is a worker. Raises as `open_service`, and `ChildDied`."""
        self._worker.report()

    def answer(
        self,
        batch: Batch,
        heard: Told = nobody,
        go_on: Callable[[], None] = always,
        may: May | None = None,
    ) -> Reckoning:
        """Answer a batch and leave its file. Ends soon after `go_on` raises.

        Raises as `open_service` and `Results.write`, and `ChildDied` for workers that die between items.
        """
        tally, whole = Reckoning(), len(batch.pieces)
        with self._results.draft() as draft:
            asked = partial(self._asked, batch, draft, _since(heard), go_on)
            for until in (whole,) if may is None else range(1, whole + 1):
                if may is not None and not may(until - 1):
                    _condemn(batch.pieces[until - 1], draft, self._worker.report(), ChildDied(_LOST))
                tally = self._answered(batch, until, draft, asked)
        return tally

    def _answered(
        self, batch: Batch, until: int, draft: Path, asked: Callable[[int], Reckoning]
    ) -> Reckoning:
        """Have so many rows in the draft, and the batch's file when these are all."""
        last = None
        while True:
            facts = self._worker.report()
            try:
                return asked(until)
            except (ChildDied, TimedOut) as death:
                self.close()
                number = count_whole(draft)
                if number == last:
                    if number == until:  # no item was in work
                        raise
                    _condemn(
                        batch.pieces[number], draft, facts, type(death)(f"it ended two workers: {death}")
                    )
                last = number
                self._worker = self._another()

    def _asked(
        self, batch: Batch, draft: Path, so_far: Told, go_on: Callable[[], None], until: int
    ) -> Reckoning:
        packed = np.frombuffer(pickle.dumps(batch), np.uint8)

        def hear(said: Message) -> None:
            so_far(Reckoning(*said.tree["tally"]))

        try:
            done = self._worker.call(Message({"draft": str(draft), "until": until}, [packed]), go_on, hear)
        except (ChildDied, TimedOut):
            go_on()
            raise
        hear(done)
        return Reckoning(*done.tree["tally"])

    def _another(self) -> Child:
        child = Child("a worker", self._work, self._terms)
        child.start()
        return child


def _since(heard: Told) -> Told:
    """Hears sums of a batch, and tells what has come since the last one."""
    before = Reckoning()

    def hear(total: Reckoning) -> None:
        nonlocal before
        before, more = total, Reckoning(total.answered - before.answered, total.failed - before.failed)
        heard(more)

    return hear


def _condemn(piece: Piece, draft: Path, facts: Tree, why: EdgedError) -> None:
    """A row for an item that is asked no more."""
    error = Error(code=why.code, message=str(why))
    row = Result(url=piece.url, answer=None, error=error, model=facts["model"], variant=facts["variant"])
    with told(str(draft)), draft.open("ab") as file:
        file.write(line_of(row))
