"""The motion gate on made scenes, what must open it and what must not, and on a real street."""

import threading

import cv2
import numpy as np
import pytest

from edged.media.frame import PictureFrame
from edged.media.video import VideoOptions, open_video
from edged.streams.gates import Gate, GateSettings
from edged.streams.motion import MotionGate, MotionSettings

FPS = 10
HEIGHT, WIDTH = 180, 320
ALONE = MotionSettings(at_least_every=None)
"""Without the frame that passes now and then: whatever passes after the first frame has moved."""


class Scene:
    """A room with edges and shades, seen by a camera whose sensor is noisy."""

    def __init__(self, noise=4.0):
        self.chance = np.random.default_rng(0)
        rough = self.chance.integers(60, 180, (9, 16)).astype(np.uint8)
        self.room = cv2.resize(rough, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC).astype(np.float32)
        self.noise = noise

    def frame(self, second, room=None):
        """What the camera shows; `room` in the place of the usual one."""
        shown = self.room if room is None else room
        seen = shown + self.chance.normal(0, self.noise, shown.shape)
        gray = np.clip(seen, 0, 255).astype(np.uint8)
        return PictureFrame(cv2.merge([gray] * 3), 1.76e9 + second)


def passed(gate, scene, seconds, room_at=lambda _: None):
    """At which seconds a frame passes; `room_at(second)` is what is to be seen then."""
    times = np.arange(round(seconds * FPS)) / FPS
    return [t for t in times if gate.passes(scene.frame(t, room_at(t)))]


def with_box(room, left, top, *, height=24, width=12, lighter=60):
    """Something of the size of a person twelve metres away."""
    changed = room.copy()
    changed[top : top + height, left : left + width] += lighter
    return changed


@pytest.mark.parametrize("noise", [0, 4, 15])
def test_a_still_room_does_not_pass(noise):
    assert passed(MotionGate(ALONE), Scene(noise), 30) == [0]


def test_one_frame_passes_now_and_then():
    gate = MotionGate(MotionSettings(at_least_every=10))
    assert passed(gate, Scene(), 35) == [0, 10, 20, 30]


def test_a_small_moving_thing_passes_as_long_as_it_moves():
    scene = Scene()

    def walks(t):
        return with_box(scene.room, round(20 * (t - 5)), 70) if 5 <= t < 15 else None

    seen = passed(MotionGate(ALONE), scene, 30, walks)
    assert [t for t in seen if 5 <= t < 15] == pytest.approx(5 + np.arange(100) / FPS)
    assert max(seen) < 25


def test_it_stays_open_for_a_while():
    scene = Scene()
    gate = MotionGate(MotionSettings(hold=3, at_least_every=None))
    seen = passed(gate, scene, 20, lambda t: with_box(scene.room, 50, 50) if t == 5 else None)
    assert seen == pytest.approx([0, *(5 + np.arange(30) / FPS)])


def test_what_stays_becomes_background():
    """A lamp that was switched on in a corner, or a car that was parked."""
    scene = Scene()
    lit = with_box(scene.room, 0, 0, height=90, width=100, lighter=70)
    seen = passed(MotionGate(ALONE), scene, 40, lambda t: lit if t >= 5 else None)
    assert seen[1] == 5
    assert max(seen) < 20


@pytest.mark.parametrize(
    "change", [lambda room: room + 40, lambda room: room * 0.6, lambda room: room * 1.2 - 30]
)
def test_the_light_of_the_whole_room_is_no_motion(change):
    scene = Scene()
    assert passed(MotionGate(ALONE), scene, 10, lambda t: change(scene.room) if t >= 5 else None) == [0]


def test_the_day_passes_without_motion():
    """It dawns, a shadow creeps over the wall, and the sensor grows less noisy."""
    scene = Scene(noise=12)

    def dawns(t):
        scene.noise = 12 - t / 6
        room = scene.room * (0.5 + t / 120)
        room[:, :160] += t / 2
        return room

    assert passed(MotionGate(ALONE), scene, 60, dawns) == [0]


def test_a_camera_that_turns_is_motion():
    scene = Scene()
    assert 5 in passed(MotionGate(ALONE), scene, 6, lambda t: np.roll(scene.room, 100, 1) if t >= 5 else None)


def test_small_changes_may_be_asked_for():
    scene = Scene(noise=1)
    gate = MotionGate(MotionSettings(min_change=6, min_area=0.0005, at_least_every=None))
    faint = with_box(scene.room, 50, 50, height=16, width=12, lighter=12)
    seen = passed(gate, scene, 6, lambda t: faint if t >= 5 else None)
    assert 5 in seen
    assert passed(MotionGate(ALONE), scene, 6, lambda t: faint if t >= 5 else None) == [0]


def test_other_sizes_in_the_middle():
    scene = Scene()
    rooms = [
        None,
        scene.room[:, :200],
        cv2.resize(scene.room, (2 * WIDTH, 2 * HEIGHT)),
        np.zeros((900, 1)),
        None,
    ]
    seen = passed(MotionGate(ALONE), scene, 25, lambda t: rooms[int(t // 5)])
    assert seen == [0]


def test_the_light_goes_out_and_on_again():
    """Black is the same room without light; what comes out of the black is motion, once."""
    scene = Scene()
    black = np.zeros_like(scene.room)
    seen = passed(MotionGate(ALONE), scene, 60, lambda t: black if 5 <= t < 30 else None)
    assert seen[:2] == [0, 30]
    assert max(seen) < 50


@pytest.mark.parametrize("jump", [-3600, 3600])
def test_a_clock_that_is_set_stops_nothing(jump):
    scene, gate = Scene(), MotionGate(ALONE)
    passed(gate, scene, 5)
    frames = [scene.frame(5 + jump + i / FPS, with_box(scene.room, 5 * i, 50)) for i in range(40)]
    assert sum(map(gate.passes, frames)) >= 38


def test_a_street_stays_open(bikes):
    frames = open_video(str(bikes), VideoOptions(real_time=False), threading.Event())
    gate = MotionGate(ALONE)
    seen = []
    for frame in frames:
        frame.captured_at = 1.76e9 + frame.seq / 25
        seen.append(gate.passes(frame))
    assert len(seen) == 250
    assert np.mean(seen) > 0.95


def test_the_cheap_gate_comes_first():
    """What comes too early is not looked at: neither refused for want of motion nor made background."""
    scene, gate = Scene(), Gate(GateSettings(fps=5, motion=ALONE))
    refusals = [gate.refusal(scene.frame(i / 10)) for i in range(6)]
    assert refusals == [None, "rate", "no motion", "rate", "no motion", "rate"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (None, None),
        (False, None),
        (True, MotionSettings()),
        ({"hold": "500ms"}, MotionSettings(hold=0.5)),
        ({"at_least_every": None}, ALONE),
    ],
)
def test_how_it_is_written(written, meant):
    assert GateSettings.model_validate({"motion": written}).motion == meant


@pytest.mark.parametrize("written", ["yes please", 1, {"min_area": 0}, {"min_change": 300}, {"hold": "soon"}])
def test_what_makes_no_sense(written):
    with pytest.raises(ValueError, match="motion"):
        GateSettings.model_validate({"motion": written})
