"""Parts answered in this process, by threads that share one instance."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from edged.bulk.answering import Told, Worker
from edged.bulk.batches import Batch
from edged.bulk.question import BulkQuestion
from edged.bulk.results import Results
from edged.contracts.errors import Cancelled


def answer_here(question: BulkQuestion, results: Results, todo: Sequence[Batch], told: Told) -> None:
    """Answer them all. Raises as `Worker`; a batch in work is left then, and none is begun."""
    over, turn = threading.Event(), threading.Lock()

    def heard(answered: int, failed: int) -> None:
        with turn:
            told(answered, failed)
        if over.is_set():
            raise Cancelled("another batch failed, or somebody wants no more of it")

    workers = question.concurrency.workers
    with Worker(question, results, question.concurrency) as worker, ThreadPoolExecutor(workers) as pool:
        try:
            for one in as_completed([pool.submit(worker.answer, batch, heard) for batch in todo]):
                one.result()
        except BaseException:
            over.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
