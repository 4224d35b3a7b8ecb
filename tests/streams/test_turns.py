"""Turns: the rate that was asked for, evenly, and each stream at a time of its own."""

import random
from itertools import pairwise

import numpy as np
import pytest

from edged.flow.counters import Counters
from edged.serving.scheduler import Scheduler
from edged.streams.turns import Turns

NOW = 1.76e9


def passed(turns, times):
    return [at for at in times if turns.at(at)]


@pytest.mark.parametrize("phase", [None, 0.0, 0.4, 0.99])
def test_thirty_a_second_give_five_however_they_jitter(phase):
    chance = random.Random(1)
    times = [NOW + i / 30 + chance.uniform(-0.004, 0.004) for i in range(900)]
    taken = passed(Turns(0.2, phase), times)
    assert len(taken) == pytest.approx(150, abs=2)
    assert np.diff(taken[2:]) == pytest.approx(0.2, abs=0.01), "each sixth frame"


@pytest.mark.parametrize("every", [0.2, 0.5, 2.0, 60.0])
@pytest.mark.parametrize("phase", [0.0, 0.3, 0.9])
def test_the_second_waits_for_its_place_on_the_clock(every, phase):
    turns = Turns(every, phase)
    first, second, third, *_ = passed(turns, [NOW + i / 50 for i in range(200 * 50)])
    assert first == NOW
    period = min(every, 1.0)
    late = (second - phase * period + 0.0001) % period
    assert late <= 0.0211 or late >= period - min(0.25 * every, 0.1)
    assert 0.75 * every <= second - first <= every + period + 0.02
    assert third - second == pytest.approx(every, abs=min(0.25 * every, 0.1) + 0.001)


def test_cameras_that_begin_together_are_set_apart():
    scheduler = Scheduler("frames", 1, Counters())
    cameras = [Turns(0.2, scheduler.phase()) for _ in range(8)]
    times = [NOW + i / 200 for i in range(2000)]
    places = sorted(passed(camera, times)[-1] % 0.2 for camera in cameras)
    apart = [b - a for a, b in pairwise([*places, places[0] + 0.2])]
    assert min(apart) >= 0.01, "evenly would be 0.025"


def test_where_many_come_nobody_waits_for_a_place():
    times = [NOW + i / 25 for i in range(250)]
    assert passed(Turns(0.01, 0.5), times) == times


@pytest.mark.parametrize("phase", [None, 0.5])
def test_what_would_pass_passes(phase):
    chance = random.Random(2)
    turns, at = Turns(0.2, phase), NOW
    for _ in range(3000):
        at += chance.choice([0.01, 0.04, 0.07, 1.0, -5.0, 30.0])
        assert turns.would(at) == turns.at(at)


def test_after_a_gap_the_next_one_passes():
    turns = Turns(0.2, 0.5)
    passed(turns, [NOW + i / 25 for i in range(100)])
    assert turns.at(NOW + 60)
