"""A process whose clock is set again and again, by libfaketime: it must notice nothing. Argument: a folder.

Whoever starts it gives it FAKETIME_TIMESTAMP_FILE, in which it sets its own clock. Exits 1 at the first thing
that waits too long or not long enough.
"""

import os
import sys
import threading
import time
from pathlib import Path

from edged.contracts.errors import TimedOut
from edged.contracts.request import Answer
from edged.flow import clock
from edged.flow.counters import Counters
from edged.requests.journal import Addressed, Journal, Request
from edged.serving.run import RunHandle
from edged.streams.gates import Gate, GateSettings
from edged.streams.rule import PublishSettings, Rule
from edged.streams.turns import Turns

HOUR, TEN_YEARS = 3600, 315_360_000
STEPS = (HOUR, -HOUR, TEN_YEARS, -TEN_YEARS)
FILE = Path(os.environ["FAKETIME_TIMESTAMP_FILE"])
WORLD = "mqtt"


def pause(seconds: float) -> None:
    """`time.sleep` asks the kernel to wake at a moment, which libfaketime 0.9.10 moves out of all range."""
    threading.Event().wait(seconds)


class Taken:
    """A frame, as far as a gate looks at it."""

    def __init__(self) -> None:
        self.captured_at = time.time()


def set_clock(by: int) -> None:
    before = time.time()
    FILE.write_text(f"{by:+d}")
    assert abs(time.time() - before) > HOUR / 2, "the clock did not step"


def step_back() -> None:
    FILE.write_text("+0")


def request(n: int) -> Request:
    return Request(n.to_bytes(16, "big"), "ocr", WORLD, b"to", time.time())


def the_journal_waits_as_long_as_it_does(folder: Path, step: int) -> None:
    """Over a restart: no request is late by the step, no identity forgotten or kept for ever."""
    journal = Journal(folder, Counters())
    journal.open()
    waits, answered = journal.ask(request(1), b"x"), journal.ask(request(2), b"y")
    assert waits is not None
    journal.answer(answered, request(2), Addressed(b"to", Answer("r", b"{}", 200)))
    journal.done([answered])
    set_clock(step)
    journal.close()
    pause(0.2)
    journal.open()
    assert 0.2 <= journal.waited(waits) < 20, journal.waited(waits)
    journal.tend()
    assert [name for name, _ in journal.identities(WORLD)] == [request(1).identity, request(2).identity]
    journal.close()
    step_back()


def a_deadline_is_kept(step: int) -> None:
    run = RunHandle(deadline=time.monotonic() + 1)
    set_clock(step)
    run.check()
    pause(1.1)
    try:
        run.check()
    except TimedOut:
        step_back()
        return
    raise AssertionError("the deadline never comes")


def streams_go_on(step: int) -> None:
    """Every frame is a new look, so what waits for the clock to come back would wait for an hour."""
    gate, due = Gate(GateSettings(fps=20)), Turns(0.05)
    rule: Rule[int] = Rule(PublishSettings(min_interval=0.05), lambda _: None)
    assert gate.refusal(Taken()) is None and due.at(time.time()) and rule.offer(1, 1, time.monotonic()) == 1
    began = time.monotonic()
    set_clock(step)
    seen = [0, 0, 0]
    for n in range(20):
        pause(0.02)
        seen[2] += rule.release(time.monotonic()) is not None
        seen[0] += gate.refusal(Taken()) is None
        seen[1] += due.at(time.time())
        seen[2] += rule.offer(n, n, time.monotonic()) is not None
    step_back()
    most = (time.monotonic() - began) / 0.05 + 2
    assert all(3 <= passed <= most for passed in seen), (seen, most)


def a_clock_that_was_never_set_is_said() -> None:
    set_clock(-TEN_YEARS)
    assert clock.state() == "unsynced"
    step_back()


def main() -> None:
    step_back()
    for number, step in enumerate(STEPS):
        the_journal_waits_as_long_as_it_does(Path(sys.argv[1]) / str(number), step)
        a_deadline_is_kept(step)
        streams_go_on(step)
    a_clock_that_was_never_set_is_said()
    print("nothing was noticed")


if __name__ == "__main__":
    main()
