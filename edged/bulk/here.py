"""Batches answered on this machine, by as many workers as are wanted."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from queue import SimpleQueue

from edged.bulk.attendant import Attendant
from edged.bulk.batches import Batch
from edged.bulk.question import BulkQuestion
from edged.bulk.results import Reckoning, Results, Told
from edged.contracts.errors import Cancelled


def answer_here(
    question: BulkQuestion, results: Results, todo: Sequence[Batch], told: Told, *, workers: int
) -> None:
    """Answer them all. Raises as `Attendant.answer`; the batches in work are left then."""
    over, turn = threading.Event(), threading.Lock()
    idle: SimpleQueue[Attendant] = SimpleQueue()
    count = min(workers, len(todo))

    def heard(more: Reckoning) -> None:
        with turn:
            told(more)

    def go_on() -> None:
        if over.is_set():
            raise Cancelled("another batch failed, or somebody wants no more of it")

    def answer(batch: Batch) -> None:
        attendant = idle.get()
        try:
            attendant.answer(batch, heard, go_on)
        finally:
            idle.put(attendant)

    with ExitStack() as stack:
        attendants = [stack.enter_context(Attendant(question, results, count)) for _ in range(count)]
        for one in attendants:
            idle.put(one)
        pool = stack.enter_context(ThreadPoolExecutor(count))
        try:
            for done in as_completed([pool.submit(answer, batch) for batch in todo]):
                done.result()
        except BaseException:
            over.set()
            pool.shutdown(wait=False, cancel_futures=True)
            for one in attendants:
                one.close()
            raise
