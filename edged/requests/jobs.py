"""Requests whose answer is fetched later: each is a job with an id of ours.

A journal of their own keeps them, so that one that was in work when the process died is done after all.
"""

import struct
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from edged.contracts.errors import Cancelled, InferenceError, NotFound, QueueFull
from edged.contracts.message import JobState
from edged.contracts.request import Answer, Intake, RequestJob, refusal
from edged.flow.clock import iso_utc
from edged.flow.counters import Counters
from edged.requests.journal import Addressed, Journal, Request
from edged.requests.peek import peek
from edged.requests.settings import RequestSettings

WORLD = "jobs"
"""The jobs' name in their journal."""
Word = Literal["waiting", "running", "done", "failed", "cancelled"]
MOST_KEPT = 1000
"""Answers that wait to be fetched; beyond them the oldest are forgotten."""


@dataclass(slots=True, eq=False)
class Job:
    """One of them. Its fields are replaced, never changed in place: whoever reads needs no lock."""

    id: str
    request: Request
    request_id: str
    """The client's, once it is known."""
    received_at: float
    """`time.monotonic()`."""
    row: int | None = None
    """In the journal."""
    progress: tuple[float, float | None] = (0.0, None)
    """The share that is done, and seconds to go."""
    answer: Answer | None = None
    ended_at: float = 0.0
    """`time.monotonic()`."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def state(self) -> JobState:
        """As it is told."""
        answer, (done, eta_s) = self.answer, self.progress
        return JobState(
            id=self.id,
            service=self.request.service,
            request_id=answer.request_id if answer else self.request_id,
            state=_word(answer, done),
            done=1.0 if answer and answer.code == 200 else round(done, 3),
            eta_s=None if answer else eta_s,
            received_at=iso_utc(self.request.received),
            code=answer.code if answer else None,
            artefact=answer.artefact if answer else None,
        )

    def settle(self, answer: Answer) -> bool:
        """Give it its answer. False: it has one."""
        with self.lock:
            if self.answer is not None:
                return False
            self.answer, self.ended_at = answer, time.monotonic()
            return True


class JobDesk:
    """A unit: takes requests for later, and knows of them. Safe from all threads."""

    def __init__(self, folder: Path, intake: Intake, settings: RequestSettings, counters: Counters) -> None:
        """`folder`: where their journal is."""
        self._journal = Journal(folder, counters, settings.durability)
        self._journal.reopened = self._resume
        self._intake = intake
        self._most = settings.jobs.at_a_time + settings.jobs.max_waiting
        self._kept_s = settings.jobs.kept
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._closed = False

    def start(self) -> None:
        """Open the journal, and go on with what it holds.

        Raises `ConfigError` when another process has it.
        """
        self._journal.open()
        self._resume()

    def stop(self) -> None:
        """Answer nothing any more: the journal keeps it for the next start."""
        self._closed = True
        self._journal.close()

    def state(self) -> str:
        """`running`."""
        return "running"

    def beat(self) -> float:
        """It has no thread."""
        return time.monotonic()

    def submit(self, service: str, payload: bytes, kept: Callable[[], object]) -> Job:
        """Take a request; `kept` is called once it is as safe as `requests.durability` says.

        Raises `QueueFull` when too many are unfinished, or the queue has no room.
        """
        self._forget_old()
        if sum(job.answer is None for job in self.all()) >= self._most:
            raise QueueFull(f"{self._most} jobs are waiting or in work already; try again later")
        id_ = uuid.uuid4().hex
        received = time.time()
        request = Request(id_.encode(), service, WORLD, f"{id_} {received}".encode(), received)
        job = Job(id_, request, peek(payload).get("request_id", ""), time.monotonic())
        job.row = self._journal.ask(request, payload)
        try:
            self._run(job, payload)
        except QueueFull:
            self._journal.done([] if job.row is None else [job.row])
            raise
        if job.row is None:
            kept()
        else:
            self._journal.once_kept(kept)
        return job

    def all(self) -> list[Job]:
        """Those that are known, oldest first."""
        with self._lock:
            return list(self._jobs.values())

    def get(self, id_: str) -> Job:
        """One of them. Raises `NotFound`."""
        with self._lock:
            if (job := self._jobs.get(id_)) is not None:
                return job
        raise NotFound("there is no such job; its answer may have been kept long enough")

    def cancel(self, id_: str) -> Job:
        """Nobody waits for it any more: it is answered 499, or forgotten where it has its answer.

        Raises `NotFound`.
        """
        job = self.get(id_)
        if job.answer is not None:
            self._forget([job])
        else:
            known = {"request_id": job.request_id}
            self._settle(job, refusal(known, Cancelled.code, "the job was cancelled", job.request.service))
        return job

    def _resume(self) -> None:
        """What earlier runs left: answers to be fetched, and requests to be worked on."""
        for row in self._journal.left_answered(WORLD):
            if (found := self._journal.answer_of(row)) is not None:
                self._remember(_answered(row, found))
        for row, request in self._journal.left(WORLD):
            received_at = time.monotonic() - self._journal.waited(row)
            job = Job(request.identity.decode(), request, "", received_at, row)
            if (payload := self._journal.payload(row)) is None:
                self._remember(job)
                lost = InferenceError("the request was lost with the power; send it again")
                self._settle(job, refusal({}, lost.code, str(lost), request.service))
                continue
            job.request_id = peek(payload).get("request_id", "")
            try:
                self._run(job, payload)
            except QueueFull as error:
                self._remember(job)
                self._settle(job, refusal(peek(payload), error.code, str(error), request.service))

    def _run(self, job: Job, payload: bytes) -> None:
        """Hand it to the pipeline. Raises `QueueFull`."""
        key = job.request.identity + struct.pack("d", job.request.received)
        self._intake.submit(
            RequestJob(
                job.request.service,
                payload,
                job.received_at,
                reply=partial(self._settle, job),
                progress=partial(_progress, job),
                is_cancelled=lambda: job.answer is not None,
                key=key,
            )
        )
        self._remember(job)

    def _settle(self, job: Job, answer: Answer) -> None:
        if not self._closed and job.settle(answer):
            self._journal.answer(job.row, job.request, Addressed(job.request.reply, answer))

    def _remember(self, job: Job) -> None:
        with self._lock:
            self._jobs[job.id] = job

    def _forget_old(self) -> None:
        ended = sorted((job for job in self.all() if job.answer), key=lambda job: job.ended_at)
        old = [job for job in ended if time.monotonic() - job.ended_at > self._kept_s]
        self._forget(old or ended[: max(0, len(ended) - MOST_KEPT)])
        self._journal.tend()

    def _forget(self, jobs: list[Job]) -> None:
        with self._lock:
            for job in jobs:
                self._jobs.pop(job.id, None)
        self._journal.done([job.row for job in jobs if job.row is not None])


def _answered(row: int, found: Addressed) -> Job:
    """A job of an earlier run, whose answer is there."""
    id_, received = found.reply.decode().split()
    request = Request(id_.encode(), found.service, WORLD, found.reply, float(received))
    now = time.monotonic()
    return Job(id_, request, found.answer.request_id, now, row, answer=found.answer, ended_at=now)


def _progress(job: Job, _: str, done: float) -> None:
    spent = time.monotonic() - job.received_at
    job.progress = done, round(spent * (1 - done) / done, 1) if done > 0 else None


def _word(answer: Answer | None, done: float) -> Word:
    if answer is None:
        return "running" if done else "waiting"
    words: dict[int, Word] = {200: "done", Cancelled.code: "cancelled"}
    return words.get(answer.code, "failed")
