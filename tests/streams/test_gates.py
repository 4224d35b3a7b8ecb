import random

import numpy as np
import pytest

from edged.media.frame import PictureFrame
from edged.streams.gates import Gate, GateSettings

PIXEL = np.zeros((1, 1, 3), np.uint8)


def rate(fps):
    return Gate(GateSettings(fps=fps))


def passed(gate, times):
    return [t for t in times if gate.refusal(PictureFrame(PIXEL, t)) is None]


@pytest.mark.parametrize("begin", [0.0, 1.76e9 + 0.123])
@pytest.mark.parametrize(
    ("camera", "fps"), [(25, 5), (30, 7), (25, 6), (25, 24), (15, 15), (29.97, 10), (10, 0.2)]
)
def test_the_rate_is_kept_exactly(begin, camera, fps):
    times = [begin + i / camera for i in range(round(60 * camera))]
    assert len(passed(rate(fps), times)) == pytest.approx(60 * min(fps, camera), abs=1)


def test_frames_are_evenly_spread():
    distances = np.diff(passed(rate(5), [i / 25 for i in range(250)]))
    assert distances[1:] == pytest.approx(
        0.2
    )  # the first may be shorter: the gate settles between two frames
    distances = np.diff(passed(rate(6), [i / 25 for i in range(250)]))
    assert distances.min() >= 0.12 - 1e-9
    assert distances.max() <= 0.2 + 1e-9


@pytest.mark.parametrize("fps", [5, 25])
def test_jitter_costs_no_rate(fps):
    chance = random.Random(0)
    times = sorted(i / 25 + chance.uniform(-0.009, 0.009) for i in range(1500))
    assert len(passed(rate(fps), times)) >= 60 * fps * 0.99


def test_all_pass_without_a_rate():
    assert len(passed(rate(None), [0.0, 0.0, 0.001])) == 3


def test_a_slower_camera_passes_whole():
    assert len(passed(rate(25), [i / 4 for i in range(40)])) == 40


@pytest.mark.parametrize("jump", [-3600, 3600])
def test_a_clock_that_is_set_does_not_stop_the_stream(jump):
    gate = rate(5)
    passed(gate, [100 + i / 25 for i in range(50)])
    assert len(passed(gate, [100 + jump + i / 25 for i in range(25)])) in (5, 6)


@pytest.mark.parametrize("fps", [0, -1, float("inf")])
def test_a_rate_must_make_sense(fps):
    with pytest.raises(ValueError, match="fps"):
        GateSettings(fps=fps)
