"""The handle of a call: deadline, progress, cancelling."""

import time

import pytest

from edged.contracts.errors import Cancelled, TimedOut
from edged.serving.run import REMEMBERED, Cancellations, RunHandle


def test_a_deadline():
    RunHandle(time.monotonic() + 60).check()
    with pytest.raises(TimedOut):
        RunHandle(time.monotonic() - 1).check()


def test_progress_is_passed_on():
    heard = []
    RunHandle(report=heard.append).progress(0.5)
    RunHandle().progress(0.5)
    assert heard == [0.5]


def test_a_cancelled_call_ends_at_its_next_check_also_when_it_is_late():
    said = Cancellations()
    received_at = time.monotonic()
    run = RunHandle(received_at - 1, is_cancelled=lambda: said.concern("r-1", received_at))
    with pytest.raises(TimedOut):
        run.check()
    said.cancel("r-1")
    with pytest.raises(Cancelled, match="control/cancel"):
        run.check()


def test_an_id_that_is_used_again_is_not_cancelled():
    said = Cancellations()
    before = time.monotonic()
    said.cancel("r-1")
    assert said.concern("r-1", before)
    assert not said.concern("r-1", time.monotonic() + 1e-6)
    assert not said.concern("r-2", before)


def test_the_memory_is_bounded_and_keeps_the_newest():
    said = Cancellations()
    before = time.monotonic()
    for n in range(REMEMBERED + 10):
        said.cancel(str(n))
    assert not said.concern("0", before)
    assert said.concern(str(REMEMBERED + 9), before)
    assert len(said._said) == REMEMBERED
