"""Parts answered in this process, by threads that share one instance."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from edged.bulk.answering import Told, Worker
from edged.bulk.parts import Part
from edged.bulk.question import Question
from edged.bulk.results import Results
from edged.contracts.errors import Cancelled


def answer_here(question: Question, results: Results, todo: Sequence[Part], told: Told) -> None:
    """Answer them all. Raises as `Worker`; a part in work is left then, and those that wait are not begun."""
    over, turn = threading.Event(), threading.Lock()

    def heard(answered: int, failed: int) -> None:
        with turn:
            told(answered, failed)
        if over.is_set():
            raise Cancelled("another part failed, or somebody wants no more of it")

    workers = question.concurrency.workers
    with Worker(question, results, question.concurrency) as worker, ThreadPoolExecutor(workers) as pool:
        try:
            for one in as_completed([pool.submit(worker.answer, part, heard) for part in todo]):
                one.result()
        except BaseException:
            over.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
