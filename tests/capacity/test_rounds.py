"""What is thought of a round of cameras."""

from dataclasses import replace

import pytest

from edged.bench.camera_rounds import is_doubtful, judged, largest, limit
from edged.bench.camera_trial import CameraRound, CameraTerms

TERMS = CameraTerms(rate=5.0, p99_s=0.2, window_s=4.0, most=100)
GOOD = CameraRound(8, 4.98, 4.75, 30.0, 20.0, 80.0, 1.0, 0.05, 0.0, 300_000_000)
ALONE = replace(GOOD, cameras=1)


@pytest.mark.parametrize(
    ("changed", "why_not"),
    [
        ({}, ""),
        ({"results_a_second": 4.74}, "4.7 results a second of 5"),
        ({"p99_ms": None, "p50_ms": None, "results_a_second": 0.0}, "0.0 results a second of 5"),
        ({"least_a_second": 3.9}, "3.9 results a second of one camera"),
        ({"frames_a_second": 28.3}, ""),
        ({"frames_a_second": 28.2}, "28.2 frames a second of 30.0"),
        ({"p99_ms": 200.0}, ""),
        ({"p99_ms": 200.6}, "p99 201 ms"),
    ],
)
def test_what_must_hold(changed, why_not):
    assert judged(replace(GOOD, **changed), TERMS, [ALONE]).why_not == why_not


def test_a_camera_that_is_alone_is_compared_with_none():
    assert judged(replace(ALONE, frames_a_second=3.0), TERMS, []).why_not == ""


@pytest.mark.parametrize(
    ("changed", "doubtful"),
    [
        ({}, False),
        ({"p99_ms": 290.0}, True),
        ({"p99_ms": 310.0}, False),
        ({"results_a_second": 4.3}, True),
        ({"results_a_second": 4.2}, False),
        ({"results_a_second": 0.0, "p99_ms": None}, False),
        ({"results_a_second": 1.0, "other_cores": 9000.0}, True),
        ({"other_cores": 9000.0}, False),
    ],
)
def test_what_nearly_held_or_was_disturbed_is_tried_again(changed, doubtful):
    assert is_doubtful(judged(replace(GOOD, **changed), TERMS, [ALONE]), TERMS) is doubtful


def test_the_largest_that_holds_and_what_did_not_beyond():
    rounds = [
        ALONE,
        replace(GOOD, cameras=16, why_not="3 results a second of 5"),
        GOOD,
        replace(GOOD, cameras=9, why_not="p99 220 ms"),
        replace(GOOD, cameras=9, p99_ms=230.0, why_not="p99 230 ms"),
    ]
    assert largest(rounds) is GOOD
    assert limit(rounds) == "p99 230 ms"
    assert (largest(rounds[1:2]), limit(rounds[:1])) == (None, "")
