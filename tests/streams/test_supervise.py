import logging
import threading
import time
from itertools import count, repeat

import numpy as np
import pytest

from edged.contracts.errors import SourceError
from edged.flow.counters import Counters
from edged.media.frame import PictureFrame
from edged.streams import supervise
from edged.streams.gates import Gate, GateSettings
from edged.streams.motion import MotionSettings
from edged.streams.supervise import Supervisor
from tests.broker import until

PIXEL = np.zeros((1, 1, 3), np.uint8)


def gate(**settings):
    """Made anew at each opening."""
    return lambda: Gate(GateSettings(**settings)).refusal


class Script:
    """Sources that do what the next of the given functions says; the last one again and again."""

    def __init__(self, *runs):
        self.runs = runs
        self.made = 0

    def __call__(self):
        self.made += 1
        return self

    def run(self, emit, stop):
        self.runs[min(self.made, len(self.runs)) - 1](emit, stop)


def plays(emit, stop):
    """A healthy camera of about 100 frames a second."""
    for seq in count():
        if stop.wait(0.01):
            return
        emit(PictureFrame(PIXEL, time.time(), seq))


def one_frame(emit, _stop):
    emit(PictureFrame(PIXEL, time.time(), 0))


def fails(_emit, _stop):
    raise SourceError("the camera is off")


def breaks(_emit, _stop):
    raise ZeroDivisionError


@pytest.fixture
def watch():
    """Start supervisors that are stopped at the end; `hang` is a source deaf to its stop."""

    class Watch:
        def __init__(self):
            self.counters = Counters()
            self.frames, self.states, self.units = [], [], []
            self.release = threading.Event()

        def start(self, script, **settings):
            settings = {"back_off": lambda: repeat(0.01), **settings}
            unit = Supervisor(
                "door", script, self.frames.append, self.states.append, self.counters, **settings
            )
            self.units.append(unit)
            unit.start()
            return unit

        def hang(self, emit, _stop):
            self.release.wait()
            emit(PictureFrame(PIXEL, 0.0, 666))

        def count(self, name, reason):
            return self.counters.counts().get(f"{name}/door", {}).get(reason, 0)

        def told(self):
            return [(s.state, s.why) for s in self.states]

    watching = Watch()
    yield watching
    watching.release.set()
    for unit in watching.units:
        unit.stop()


def test_frames_go_on_and_are_counted(watch):
    unit = watch.start(Script(plays))
    until(lambda: len(watch.frames) >= 20)
    until(lambda: unit.state() == "running")
    unit.stop()
    assert watch.count("frames", "decoded") == len(watch.frames)
    assert watch.told() == [("online", ""), ("offline", "the stream was stopped")]


def test_nothing_comes_after_stop(watch):
    unit = watch.start(Script(plays))
    until(lambda: watch.frames)
    unit.stop()
    seen = len(watch.frames)
    assert not [t for t in threading.enumerate() if t.name.endswith("-door")]
    assert len(watch.frames) == seen


def a_second(emit, _stop):
    """Of a camera with 25 frames a second."""
    for i in range(25):
        emit(PictureFrame(PIXEL, 100 + i / 25, i))


def test_the_gates_count_what_they_drop(watch):
    watch.start(Script(a_second), gate=gate(fps=5))
    until(lambda: watch.count("frames", "decoded") == 25)
    until(lambda: [f.seq for f in watch.frames] == [0, 4, 9, 14, 19, 24])
    assert watch.count("frames_dropped", "rate") == 19


def test_the_gates_begin_anew_with_each_opening(watch):
    """The first frame passes, though the scene is that of the last opening."""

    def a_second_and_fails(emit, _stop):
        a_second(emit, None)
        raise SourceError("the camera is off")

    watch.start(Script(a_second_and_fails, a_second), gate=gate(fps=5, motion=MotionSettings()))
    until(lambda: watch.count("frames", "decoded") == 50)
    assert [f.seq for f in watch.frames] == [0, 0]
    assert watch.count("frames_dropped", "rate") == 38
    assert watch.count("frames_dropped", "no motion") == 10


def test_a_source_that_fails_is_opened_again(watch):
    script = Script(fails, fails, plays)
    watch.start(script)
    until(lambda: ("online", "") in watch.told())
    assert watch.told()[:2] == [("offline", "the camera is off"), ("online", "")]
    assert watch.count("reconnects", "offline") == 2


def test_a_source_that_breaks_is_reported_and_opened_again(watch, caplog):
    watch.start(Script(breaks, plays))
    until(lambda: watch.frames)
    assert "ZeroDivisionError" in watch.told()[0][1]
    assert "ZeroDivisionError" in caplog.text


def test_a_source_that_cannot_be_made_is_opened_again(watch):
    script = Script(plays)
    tries = []

    def factory():
        tries.append(1)
        if len(tries) < 3:
            raise RuntimeError("no driver")
        return script()

    watch.start(factory)
    until(lambda: watch.frames)


def test_a_file_that_ended_is_not_opened_again(watch):
    script = Script(one_frame)
    unit = watch.start(script)
    until(lambda: unit.state() == "the source has come to its end")
    before = unit.beat()
    until(lambda: unit.beat() > before, "a beat")
    assert script.made == 1
    assert len(watch.frames) == 1


def test_a_source_that_hangs_is_abandoned(watch):
    watch.start(Script(watch.hang, plays), stall_s=0.3)
    until(lambda: ("online", "") in watch.told())
    assert watch.told()[0] == ("stalled", "no frame came for 0.3 s; the source is opened again")
    assert watch.count("reconnects", "stalled") >= 1
    seen = len(watch.frames)
    watch.release.set()  # the hanging thread wakes up and emits: nobody may see it
    until(lambda: len(watch.frames) > seen + 5)
    assert 666 not in [f.seq for f in watch.frames]


def test_a_source_that_stops_sending_is_abandoned(watch):
    def freezes(emit, stop):
        one_frame(emit, stop)
        watch.release.wait()

    watch.start(Script(freezes, plays), stall_s=0.3)
    until(lambda: len(watch.frames) > 3)
    states = [state for state, _ in watch.told()]
    at = states.index("stalled")
    assert (states[:at], states[at + 1]) in ((["online"], "online"), ([], "online"))


def test_hanging_threads_do_not_pile_up(watch):
    script = Script(watch.hang)
    unit = watch.start(script, stall_s=0.02)
    until(lambda: script.made == supervise.MAX_HANGING)
    for _ in range(3):
        before = unit.beat()
        until(lambda before=before: unit.beat() > before, "a beat")
    assert script.made == supervise.MAX_HANGING
    watch.release.set()
    until(lambda: script.made > supervise.MAX_HANGING, "another try")


@pytest.mark.parametrize("what", ["waits", "hangs", "plays"])
def test_stop_comes_back_soon(watch, what):
    run = {"waits": fails, "hangs": watch.hang, "plays": plays}[what]
    script = Script(run)
    unit = watch.start(script, back_off=lambda: repeat(3600.0))
    until(lambda: script.made)
    began = time.monotonic()
    unit.stop()
    assert time.monotonic() - began < 30
    assert unit.state() == "the stream was stopped"


def test_stop_without_start():
    Supervisor("door", Script(plays), lambda _: None, lambda _: None, Counters()).stop()


def test_waiting_to_reconnect_is_alive(watch):
    unit = watch.start(Script(fails), back_off=lambda: repeat(3600.0))
    until(lambda: unit.state() == "the camera is off")
    for _ in range(3):
        before = unit.beat()
        until(lambda before=before: unit.beat() > before, "a beat")


def test_back_off_begins_anew_after_a_healthy_time(watch):
    taken = []

    def back_off():
        for step in count():
            taken.append(step)
            yield 0.01

    def healthy(emit, stop):
        one_frame(emit, stop)
        time.sleep(0.1)
        one_frame(emit, stop)
        raise SourceError("gone")

    script = Script(fails, fails, fails, healthy, fails, fails, plays)
    watch.start(script, back_off=back_off, healthy_s=0.05)
    until(lambda: script.made == 7)
    assert taken == [0, 1, 2, 0, 1, 2]


def test_one_line_a_fault(watch, caplog):
    with caplog.at_level(logging.WARNING):
        script = Script(fails, plays)
        watch.start(script)
        until(lambda: watch.frames)
    assert caplog.messages == ["stream door is offline: the camera is off; next try in 0.01 s"]


def test_frames_a_second_are_told(watch, monkeypatch):
    monkeypatch.setattr(supervise, "FPS_EVERY_S", 0.3)
    watch.start(Script(plays))
    until(lambda: any(s.fps > 0 for s in watch.states))
    assert all(s.fps <= 110 for s in watch.states)
