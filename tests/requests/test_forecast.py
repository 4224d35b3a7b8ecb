"""What cannot end in time is given up soon; progress is told, but not too often."""

import pytest

from edged.contracts.errors import TooLarge
from edged.requests import forecast
from edged.requests.forecast import TOLD_EVERY_S, TRIED_S, Forecast


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(forecast.time, "monotonic", lambda: now[0])
    return now


def test_is_told_now_and_then_and_at_the_end(clock):
    told = []
    made = Forecast(clock[0] + 3600, told.append)
    for n in range(101):
        made.progress(n / 100)
        clock[0] += TOLD_EVERY_S / 4
    assert told == [n / 100 for n in range(0, 101, 4)]


def test_its_end_is_told_however_soon_it_comes(clock):
    told = []
    made = Forecast(clock[0] + 3600, told.append)
    made.progress(0.5)
    made.progress(1.0)
    assert told == [0.5, 1.0]


def test_what_evidently_takes_too_long_ends_with_the_field_that_helps(clock):
    made = Forecast(clock[0] + 100, None)
    made.progress(0.0)
    clock[0] += TRIED_S + 1
    with pytest.raises(TooLarge, match=r"some 594 s more, of which 94 s are left.*`input\.play_duration`"):
        made.progress(0.01)


@pytest.mark.parametrize(("spent", "done"), [(TRIED_S - 1, 0.001), (10, 0.1), (60, 0.5), (90, 0.0)])
def test_what_may_yet_end_goes_on(clock, spent, done):
    made = Forecast(clock[0] + 100, None)
    made.progress(0.0)
    clock[0] += spent
    made.progress(done)


def test_the_wait_before_the_work_is_not_counted_as_slowness(clock):
    made = Forecast(clock[0] + 100, None)
    clock[0] += 50
    made.progress(0.1)
    clock[0] += TRIED_S
    made.progress(0.2)
