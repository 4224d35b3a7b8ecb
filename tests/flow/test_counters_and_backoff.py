"""What happened, how often and why; and when to try again."""

from itertools import islice

import pytest

from edged.flow.backoff import delays
from edged.flow.counters import WINDOW, Counters


def test_counts_by_reason():
    counters = Counters()
    counters.count("dropped", "busy")
    counters.count("dropped", "busy", by=2)
    counters.count("dropped", "rate")
    assert counters.counts() == {"dropped": {"busy": 3, "rate": 1}}


def test_percentiles_of_the_newest():
    counters = Counters()
    for value in range(WINDOW * 2):
        counters.observe("stage", float(value))
    p50, p99 = counters.percentiles()["stage"]
    assert p50 == pytest.approx(WINDOW * 1.5, rel=0.01)
    assert p99 > p50


def test_totals_count_all_durations_also_those_that_are_not_kept():
    counters = Counters()
    for _ in range(WINDOW + 10):
        counters.observe("stage", 0.5)
    assert counters.totals() == {"stage": (WINDOW + 10, (WINDOW + 10) / 2)}


def test_a_stage_that_raises_is_timed_too():
    counters = Counters()
    with pytest.raises(ValueError, match="no"), counters.timed("stage"):
        raise ValueError("no")
    assert "stage" in counters.percentiles()


def test_backoff_is_quick_then_patient_and_never_ends():
    assert list(islice(delays(), 22)) == [1.0] * 5 + [5.0] * 5 + [10.0] * 10 + [60.0] * 2
