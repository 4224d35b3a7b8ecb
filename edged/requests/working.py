"""Which requests are in work at the moment, and how they end."""

import time
from collections.abc import Callable

from edged.contracts.errors import EdgedError
from edged.contracts.request import Answer, refusal
from edged.contracts.services import ASKED
from edged.flow.counters import Counters
from edged.requests.call import Call
from edged.requests.in_work import InWork
from edged.requests.peek import peek

HUNG_S = 10.0
"""A worker that is at a request so long after its deadline hangs."""


class Working:
    """Safe from all threads."""

    def __init__(self, notes: InWork, counters: Counters) -> None:
        self._notes = notes
        self._counters = counters
        self._calls: set[Call] = set()

    def on(self, do: Callable[[Call], None]) -> Callable[[Call], None]:
        """What a worker does with a call, unless it has its answer already."""

        def work(call: Call) -> None:
            if call.replied:
                call.close()
                return
            self._calls.add(call)
            self._notes.begin(call.job.key)
            try:
                do(call)
            finally:
                self._notes.pause(call.job.key)
                self._calls.discard(call)

        return work

    def hung(self) -> int:
        """How many workers hang."""
        late = time.monotonic() - HUNG_S
        return sum(call.deadline < late for call in self._calls.copy())

    def lose(self, call: Call) -> None:
        """The time of a call is over. A worker that is at it may go on: what it finds is not sent."""
        if call in self._calls:
            self._counters.count("requests_lost", call.job.service)

    def refuse(self, call: Call, error: EdgedError) -> None:
        """Answer with an error, whoever has the call."""
        job, fields = call.job, call.fields or peek(call.job.payload)
        self.reply(call, refusal(fields, error.code, str(error), job.service, call.model))

    def reply(self, call: Call, answer: Answer | None) -> None:
        """The end of every way: the first answer is sent, each other one dropped and counted."""
        assert answer is not None  # noqa: S101 - each way ends with one
        if not call.claim():
            self._counters.count("answers_dropped", "the deadline was over")
            return
        job = call.job
        self._notes.end(job.key)
        known = job.service if job.service in ASKED else "unknown"  # strangers do not name counters
        self._counters.count(f"requests/{known}", str(answer.code))
        self._counters.observe("request", time.monotonic() - call.started)
        job.reply(answer)
