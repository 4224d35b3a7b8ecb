"""Where calls wait, each for what it needs, and the threads that take them from there."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from edged.contracts.errors import QueueFull
from edged.flow.counters import Counters
from edged.flow.mailbox import Fifo
from edged.requests.apart import Apart
from edged.requests.call import Call
from edged.requests.settings import RequestSettings
from edged.serving.scheduler import Scheduler

JOBS = "jobs"
"""The lane of videos."""

Do = Callable[[Call], None]


class Ways(NamedTuple):
    """What is done with a call, by where it waited."""

    begin: Do
    """New."""
    try_again: Do
    """New or fetched, and in work when the process died."""
    open: Do
    """Its service is up, or will not be."""
    fetch: Do
    """Its media is to be fetched."""
    finish: Do
    """All is here."""
    finish_job: Do
    """The same, of a video."""


class RequestLanes:
    """Safe from all threads. Whatever puts a call raises `QueueFull` when there is no room."""

    def __init__(self, settings: RequestSettings, workers: int, counters: Counters, do: Ways) -> None:
        lane = partial(Fifo[Call], settings.max_waiting, settings.max_waiting_bytes)
        self.new, self.suspects, self.loaded, self.unfetched = lane(), lane(), lane(), lane()
        self._fetched, self._recordings = lane(), lane()
        self._workers = Scheduler("requests", workers, counters)
        self._workers.add("requests", self.new, do.begin, workers)
        self._workers.add("suspects", self.suspects, do.try_again, alone=True)
        self._workers.add("loading", self.loaded, do.open, workers)
        self._workers.add("fetched", self._fetched, do.finish, workers)
        # A recording may take minutes: one worker is left for what takes milliseconds.
        self._workers.add("recordings", self._recordings, do.finish, max(1, workers - 1))
        self._fetchers = Scheduler("fetches", settings.fetch.parallel, counters)
        self._fetchers.add("fetches", self.unfetched, do.fetch, settings.fetch.parallel)
        self._apart = Apart(lane, do.finish, counters)
        jobs = settings.jobs
        self._most_jobs = jobs.max_waiting
        job_lane = partial(Fifo[Call], self._most_jobs, settings.max_waiting_bytes)
        self._jobs = Apart(job_lane, do.finish_job, counters, jobs.at_a_time)

    def put_unfetched(self, call: Call) -> None:
        """One whose media is to be fetched; a video only where there is room for it afterwards."""
        if call.served.service.is_job and self._jobs.queued().get(JOBS, 0) >= self._most_jobs:
            raise QueueFull(f"{self._most_jobs} videos are waiting already; try again later")
        self.unfetched.put(call, len(call.job.payload))

    def put(self, call: Call, *, isolated: bool, suspect: bool) -> None:
        """One that has all it needs. `isolated`: its service lives in a process of its own; `suspect`: it was
        in work when the process died."""
        if isolated:
            self._apart.put(f"isolated/{call.job.service}", call, call.held or len(call.job.payload))
        elif call.served.service.is_job:
            self._jobs.put(JOBS, call, call.held)
        else:
            lane = self._recordings if call.served.service.takes_sound else self._fetched
            (self.suspects if suspect else lane).put(call, call.held)

    def queued(self) -> dict[str, int]:
        """Calls waiting, by what for."""
        units = (self._workers, self._fetchers, self._apart, self._jobs)
        return {name: number for unit in units for name, number in unit.queued().items()}

    def start(self) -> None:
        """Start the threads."""
        self._workers.start()
        self._fetchers.start()

    def stop(self) -> None:
        """Finish what is in work; drop what waits."""
        self._fetchers.stop()
        self._workers.stop()
        self._apart.stop()
        self._jobs.stop()
        for lane in (self.new, self.loaded, self._fetched, self._recordings):
            while (call := lane.take()) is not None:
                call.close()

    def state(self) -> str:
        """`running`, or what is wrong."""
        states = (self._workers.state(), self._fetchers.state())
        return next((state for state in states if state != "running"), "running")

    def beat(self) -> float:
        """The last sign of life of the slowest worker; that a fetch waits long is no fault."""
        return self._workers.beat()
