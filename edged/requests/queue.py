"""A request's way: in with its raw bytes, through threads that have time for it, out with one answer.

A request that names a URL is fetched by threads of their own, so slow servers never hold up the requests that
bring all they need; one whose service is loading waits without holding anybody up; videos, which take
minutes, have a lane and threads of their own. At its deadline a request is answered, whatever the thread does
that works on it. One that was in work when the process died is tried last, and alone; after a second death it
is not tried again.
"""

from collections.abc import Callable

from edged.artefacts.store import ArtefactStore
from edged.contracts.errors import InferenceError, TimedOut
from edged.contracts.request import RequestJob
from edged.flow.budget import Budget
from edged.flow.counters import Counters
from edged.media.fetch import Uploads
from edged.requests.call import Call
from edged.requests.deadlines import Deadlines
from edged.requests.in_work import InWork
from edged.requests.lanes import RequestLanes, Ways
from edged.requests.parked import Parked
from edged.requests.settings import RequestSettings
from edged.requests.steps import Steps
from edged.requests.working import Working
from edged.serving.run import OVERDUE
from edged.serving.table import ServiceTable

DEADLY = 2
"""A request that was in work when the process died so often is not tried again."""


class RequestQueue:
    """A unit, and the `Intake` of all outside worlds: bounded queues, and threads that answer from them."""

    def __init__(
        self,
        table: ServiceTable,
        settings: RequestSettings,
        workers: int,
        counters: Counters,
        in_work: InWork | None = None,
        *,
        memory: Budget | None = None,
        store: Callable[[], ArtefactStore] | None = None,
        uploads: Uploads | None = None,
    ) -> None:
        """`memory`, `store`, `uploads`: as of `Steps`."""
        self._table = table
        self._workers_count = workers
        self._in_work = InWork(None) if in_work is None else in_work
        self._working, self._jobs_working = (Working(self._in_work, counters) for _ in range(2))
        self._steps = Steps(table, settings, counters, memory, store, uploads=uploads)
        self._deadlines = Deadlines(self._late)
        self._parked = Parked(table.is_loading, self._unpark, settings.max_waiting)
        on, on_job = self._working.on, self._jobs_working.on
        ways = Ways(
            begin=on(self._begin),
            try_again=on(self._try_again),
            open=on(self._open),
            fetch=self._fetch,
            finish=on(self._finish),
            finish_job=on_job(self._finish),
        )
        self._lanes = RequestLanes(settings, workers, counters, ways)

    def submit(self, job: RequestJob) -> None:
        """Queue the job. Raises `QueueFull`; then `reply` is not called."""
        call = Call(job, self._steps.deadline_of(job))
        deaths = self._in_work.deaths(job.key)
        if deaths >= DEADLY:
            died = InferenceError(f"edged died {deaths} times while it worked on this request")
            self._working.refuse(call, died)
            return
        (self._lanes.suspects if deaths else self._lanes.new).put(call, len(job.payload) + call.held)
        self._deadlines.watch(call)

    def cancel(self, request_id: str) -> None:
        """Answer a request that came before with 499, unless it is answered already."""
        self._steps.cancellations.cancel(request_id)
        self._parked.look()

    def queued(self) -> dict[str, int]:
        """Requests waiting, by what for."""
        waiting = self._lanes.queued()
        return {**waiting, "loading": waiting["loading"] + len(self._parked)}

    def start(self) -> None:
        """Start the threads."""
        self._table.watch(self._parked.look)
        self._deadlines.start()
        self._lanes.start()

    def stop(self) -> None:
        """Finish what is in work but for jobs; what waits stays with the journal of who submitted it."""
        self._table.unwatch(self._parked.look)
        self._steps.stop_jobs()
        self._lanes.stop()
        self._deadlines.stop()
        self._parked.clear()
        self._steps.close()
        self._in_work.close()

    def state(self) -> str:
        """`running`, or what is wrong."""
        if hung := self._working.hung():
            return f"{hung} of {self._workers_count} workers hang"
        if hung := self._jobs_working.hung():
            return f"{hung} of the jobs hang"
        lanes = self._lanes.state()
        return lanes if lanes != "running" else self._deadlines.state()

    def beat(self) -> float:
        """The last sign of life of the slowest worker; that a fetch waits long is no fault."""
        return self._lanes.beat()

    def is_stuck(self) -> bool:
        """Whether every worker hangs: only another process will help."""
        return self._working.hung() >= self._workers_count

    def _begin(self, call: Call) -> None:
        """A new request."""
        with call.step():
            self._steps.read(call)
            self._deadlines.watch(call)
        self._open(call)

    def _try_again(self, call: Call) -> None:
        """One that may have killed the process, new or with its media."""
        (self._begin if call.media is None else self._finish)(call)

    def _open(self, call: Call) -> None:
        """One that has been read, and whose service may be up."""
        if call.answer is None:
            with call.step():
                if self._table.comes(call.job.service):
                    self._parked.put(call)
                    return
                self._steps.open(call)
                if call.wanted is not None:
                    self._lanes.put_unfetched(call)
                    return
                if call.media is not None or self._table.is_isolated(call.job.service):
                    self._go_on(call)
                    return
                self._steps.answer(call)
        self._working.reply(call, call.answer)

    def _unpark(self, call: Call) -> None:
        """One that waits no longer."""
        with call.step():
            if call.answer is None:
                self._lanes.loaded.put(call, len(call.job.payload))
                return
        self._working.reply(call, call.answer)

    def _fetch(self, call: Call) -> None:
        """One that names a URL; in a thread that only waits."""
        with call.step():
            self._steps.fetch(call)
            self._go_on(call)
            return
        self._working.reply(call, call.answer)

    def _go_on(self, call: Call) -> None:
        """One that has all it needs, but must wait for its turn."""
        isolated = self._table.is_isolated(call.job.service)
        self._lanes.put(call, isolated=isolated, suspect=bool(self._in_work.deaths(call.job.key)))

    def _finish(self, call: Call) -> None:
        """One whose media has come."""
        with call.step():
            self._steps.answer(call)
        self._working.reply(call, call.answer)

    def _late(self, call: Call) -> None:
        """One whose time is over."""
        self._working.lose(call)
        self._jobs_working.lose(call)
        self._working.refuse(call, TimedOut(OVERDUE))
