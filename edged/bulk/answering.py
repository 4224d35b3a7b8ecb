"""A worker, in a process of its own: one instance of the model, which answers batches."""

import logging
import pickle
import time
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import orjson

from edged.bulk.again import replaced
from edged.bulk.batches import Batch
from edged.bulk.question import BulkQuestion
from edged.bulk.reading import Load, loads
from edged.bulk.results import Error, Reckoning, Result, Told
from edged.bulk.so_far import line_of, rows_in
from edged.bulk.stores import told
from edged.children.inside import Handle, Parent
from edged.children.wire import Message, Tree
from edged.contracts.errors import EdgedError
from edged.contracts.request import RequestJob
from edged.flow.budget import Budget
from edged.flow.counters import Counters
from edged.log import set_up
from edged.media.fetch import Fetched
from edged.opening import open_alone
from edged.requests.steps import Steps
from edged.runtimes.devices import Concurrency
from edged.serving.table import ServiceTable

_TELL_S = 0.1
"""Whoever looks on is told no oftener."""


def open_worker(parent: Parent, given: Mapping[str, Any]) -> tuple[Tree, Handle]:
    """For an `Attendant`, which sends batches. Raises as `open_service`."""
    set_up()
    logging.getLogger().setLevel(logging.WARNING)  # a bar is shown there
    question, results, share = pickle.loads(b64decode(given["work"]))  # noqa: S301 - its parent's
    worker = Worker(question, share)

    def answer(call: Message) -> Message:
        batch: Batch = pickle.loads(call.arrays[0].tobytes())  # noqa: S301 - its parent's
        draft, until = Path(call.tree["draft"]), call.tree["until"]
        progress = _Progress(parent)
        worker.answer(batch, until, draft, progress.heard)
        if until == len(batch.pieces):
            rows = rows_in(draft)
            results.write(batch.name, replaced(results.rows(batch.name), rows) if batch.again else rows)
        return Message({"tally": progress.total})

    return {"model": worker.model, "variant": worker.variant}, answer


class _Progress:
    """Tells the parent the sum of what it hears, if it did not just now."""

    def __init__(self, parent: Parent) -> None:
        self.total = Reckoning()
        self._parent, self._told_at = parent, 0.0

    def heard(self, more: Reckoning) -> None:
        self.total += more
        if (now := time.monotonic()) - self._told_at > _TELL_S:
            self._parent.tell("so far", tally=self.total)
            self._told_at = now


class Worker:
    """Of one thread. Raises as `open_service` when it is made."""

    def __init__(self, question: BulkQuestion, share: int) -> None:
        """`share`: so many workers have the memory of this machine together."""
        cv2.setNumThreads(question.threads)  # other workers have the other cores
        settings, counters, table = question.settings, Counters(), ServiceTable()
        self._question = question
        alone = Concurrency(1, question.threads)
        served = open_alone(question.name, question.wanted, settings, counters, alone)
        table.put(served)
        self.model, self.variant = served.instance.facts.name, served.instance.facts.variant
        memory = Budget(settings.runtime.memory_bytes() // share)
        self._brought: dict[str, Load] = {}
        self._steps = Steps(table, settings.requests, counters, memory, uploads=self._bring)

    def answer(self, batch: Batch, until: int, draft: Path, heard: Told) -> None:
        """Append rows to those in the draft, which are of the batch's first items, until there are so many.
        Raises as `stores.told`."""
        before = [row["error"] is None for row in rows_in(draft)]
        heard(Reckoning(sum(before), len(before) - sum(before)))
        rest = replace(batch, pieces=batch.pieces[len(before) : until])
        with told(str(draft)), draft.open("ab") as file:
            for row in self._rows(rest):
                file.write(line_of(row))
                file.flush()
                heard(Reckoning(int(row["error"] is None), int(row["error"] is not None)))

    def _rows(self, batch: Batch) -> Iterator[Result]:
        for piece, load in loads(batch, self._question):
            answer, error = self._answered(piece.id, load)
            yield Result(url=piece.url, answer=answer, error=error, model=self.model, variant=self.variant)

    def _answered(self, id: str, load: Load) -> tuple[str | None, Error | None]:
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
            return answer.body.decode(), None
        return None, Error(code=answer.code, message=orjson.loads(answer.body)["error_msg"])

    def _bring(self, id: str) -> Fetched:
        media = self._brought[id]()
        assert isinstance(media, Fetched)  # noqa: S101 - texts are not brought
        return media
