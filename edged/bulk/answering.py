"""A worker: one instance of the model, which answers batches; whichever thread or machine it lives on."""

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple, Self

import orjson

from edged.bulk.batches import Batch
from edged.bulk.question import BulkQuestion
from edged.bulk.reading import Load, loads
from edged.bulk.results import Error, Result, Results
from edged.contracts.errors import EdgedError
from edged.contracts.request import RequestJob
from edged.flow.budget import Budget
from edged.flow.counters import Counters
from edged.media.fetch import Fetched
from edged.opening import open_alone
from edged.requests.steps import Steps
from edged.runtimes.devices import Concurrency
from edged.serving.table import ServiceTable

Told = Callable[[int, int], None]
"""Hears of items that have an answer, and of those that failed, since it was called last."""


class Reckoning(NamedTuple):
    """Items of a batch, or of all."""

    answered: int = 0
    failed: int = 0

    def __add__(self, other: "Reckoning") -> "Reckoning":  # type: ignore[override]
        return Reckoning(self.answered + other.answered, self.failed + other.failed)


def nobody(answered: int, failed: int) -> None:
    """Where nobody looks on."""


class Worker:
    """Safe from all threads. Raises as `open_service` when it is made."""

    def __init__(
        self, question: BulkQuestion, results: Results, concurrency: Concurrency, share: int = 1
    ) -> None:
        """`share`: so many workers have the memory of this machine together."""
        settings, counters, table = question.settings, Counters(), ServiceTable()
        self._question, self._results = question, results
        self._served = open_alone(question.name, question.wanted, settings, counters, concurrency)
        table.put(self._served)
        memory = Budget(settings.runtime.memory_bytes() // share)
        self._brought: dict[str, Load] = {}
        self._steps = Steps(table, settings.requests, counters, memory, uploads=self._bring)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._steps.close()

    def answer(self, batch: Batch, told: Told = nobody) -> Reckoning:
        """Answer a batch and leave its file. Raises what `told` raises, and as `Results.write`."""
        tally = Reckoning()

        def counted(answered: int, failed: int) -> None:
            nonlocal tally
            tally += Reckoning(answered, failed)
            told(answered, failed)

        self._results.write(batch.name, self._rows(batch, counted))
        return tally

    def _rows(self, batch: Batch, told: Told) -> Iterator[Result]:
        for piece, load in loads(batch, self._question):
            answer, error = self._answered(piece.id, load)
            facts = self._served.instance.facts
            yield Result(url=piece.url, answer=answer, error=error, model=facts.name, variant=facts.variant)
            told(int(error is None), int(error is not None))

    def _answered(self, id: str, load: Load) -> tuple[bytes | None, Error | None]:
        """By the same steps as any request. Media is told of as an upload, which the third step asks for."""
        text = ""
        if self._question.service.media == "text":
            try:
                text = str(load())
            except EdgedError as error:
                return None, Error(code=error.code, message=str(error))
        self._brought[id] = load
        body = orjson.dumps(self._question.request(id, text))
        answer = self._steps.all_at_once(
            RequestJob(self._question.name, body, time.monotonic(), lambda _: None)
        )
        del self._brought[id]
        if answer.code == 200:
            return answer.body, None
        return None, Error(code=answer.code, message=orjson.loads(answer.body)["error_msg"])

    def _bring(self, id: str) -> Fetched:
        media = self._brought[id]()
        assert isinstance(media, Fetched)  # noqa: S101 - texts are not brought
        return media
