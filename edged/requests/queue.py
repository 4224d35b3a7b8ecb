"""A request's way: in with its raw bytes, through threads that have time for it, out with one answer.

A request that names a URL is fetched by threads of their own, so slow servers never hold up the requests that
bring all they need; one whose service is still loading waits without holding anybody up.
"""

import time
from typing import Any

from edged.contracts.request import RequestJob
from edged.contracts.services import SERVICES
from edged.flow.counters import Counters
from edged.flow.mailbox import Fifo
from edged.requests.call import Call
from edged.requests.parked import Parked
from edged.requests.settings import RequestSettings
from edged.requests.steps import Steps
from edged.serving.scheduler import Scheduler
from edged.serving.table import ServiceTable


class RequestQueue:
    """A unit, and the `Intake` of all outside worlds: bounded queues, and threads that answer from them."""

    def __init__(
        self, table: ServiceTable, settings: RequestSettings, workers: int, counters: Counters
    ) -> None:
        self._table = table
        self._counters = counters
        self._steps = Steps(table, settings, counters)
        self._new: Fifo[RequestJob] = _fifo(settings)
        self._loaded: Fifo[Call] = _fifo(settings)
        self._unfetched: Fifo[Call] = _fifo(settings)
        self._fetched: Fifo[Call] = _fifo(settings)
        self._recordings: Fifo[Call] = _fifo(settings)
        self._parked = Parked(table.is_loading, self._unpark, settings.max_waiting)
        self._workers = Scheduler("requests", workers, counters)
        self._workers.add("requests", self._new, self._begin, workers)
        self._workers.add("loading", self._loaded, self._open, workers)
        self._workers.add("fetched", self._fetched, self._finish, workers)
        # A recording may take minutes: one worker is left for what takes milliseconds.
        self._workers.add("recordings", self._recordings, self._finish, max(1, workers - 1))
        self._fetchers = Scheduler("fetches", settings.fetch.parallel, counters)
        self._fetchers.add("fetches", self._unfetched, self._fetch, settings.fetch.parallel)
        self._units = (self._parked, self._workers, self._fetchers)

    def submit(self, job: RequestJob) -> None:
        """Queue the job. Raises `QueueFull`; then `reply` is not called."""
        self._new.put(job, len(job.payload))

    def cancel(self, request_id: str) -> None:
        """Answer a request that came before with 499, unless it is answered already."""
        self._steps.cancellations.cancel(request_id)

    def queued(self) -> dict[str, int]:
        """Requests waiting, by what for."""
        waiting = {**self._workers.queued(), **self._fetchers.queued()}
        return {**waiting, "loading": waiting["loading"] + len(self._parked)}

    def start(self) -> None:
        """Start the threads."""
        self._table.watch(self._parked.look)
        for unit in self._units:
            unit.start()

    def stop(self) -> None:
        """Finish what is in work; what waits stays with the journal of who submitted it."""
        self._table.unwatch(self._parked.look)
        for unit in reversed(self._units):
            unit.stop()
        while (call := self._fetched.take() or self._recordings.take()) is not None:
            call.close()

    def state(self) -> str:
        """`running`, or what is wrong."""
        return next((state for unit in self._units if (state := unit.state()) != "running"), "running")

    def beat(self) -> float:
        """The last sign of life of the slowest worker; that a fetch waits long is no fault."""
        return self._workers.beat()

    def _begin(self, job: RequestJob) -> None:
        """A new request."""
        call = Call(job)
        with call.step():
            self._steps.read(call)
            if self._table.is_loading(job.service):
                self._parked.put(call)
                return
        self._open(call)

    def _open(self, call: Call) -> None:
        """One that has been read, and whose service may be up."""
        if call.answer is None:
            with call.step():
                self._steps.open(call)
                if call.wanted is not None:
                    self._unfetched.put(call, len(call.job.payload))
                    return
                self._steps.answer(call)
        self._reply(call)

    def _unpark(self, call: Call) -> None:
        """One that waits no longer."""
        with call.step():
            if call.answer is None:
                self._loaded.put(call, len(call.job.payload))
                return
        self._reply(call)

    def _fetch(self, call: Call) -> None:
        """One that names a URL; in a thread that only waits."""
        with call.step():
            held = self._steps.fetch(call)
            lane = self._recordings if call.served.service.takes_sound else self._fetched
            lane.put(call, held)
            return
        self._reply(call)

    def _finish(self, call: Call) -> None:
        """One whose media has come."""
        with call.step():
            self._steps.answer(call)
        self._reply(call)

    def _reply(self, call: Call) -> None:
        """The end of every way."""
        job, answer = call.job, call.answer
        assert answer is not None  # noqa: S101 - each way ends with one
        known = job.service if job.service in SERVICES else "unknown"  # strangers do not name counters
        self._counters.count(f"requests/{known}", str(answer.code))
        self._counters.observe("request", time.monotonic() - call.started)
        job.reply(answer)


def _fifo(settings: RequestSettings) -> Fifo[Any]:
    return Fifo(settings.max_waiting, settings.max_waiting_bytes)
