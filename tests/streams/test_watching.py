"""A model that remembers on a camera: which frames it is shown, and when it begins anew."""

import itertools
from types import SimpleNamespace

import numpy as np
import orjson
import pytest

from edged.contracts.errors import InferenceError
from edged.contracts.message import ModelFacts, StreamMessage
from edged.contracts.services import service
from edged.contracts.video import ActionClassification, ActionOptions
from edged.flow.counters import Counters
from edged.media.frame import PictureFrame
from edged.serving.scheduler import Scheduler
from edged.serving.table import Served, ServiceTable
from edged.streams.feed import Feed
from edged.streams.lane import LaneTools, RunSettings
from edged.streams.publisher import Outlet
from edged.streams.rule import PublishSettings
from edged.streams.watch_lane import Ticks, WatchLane
from tests.broker import until

NAME = "video-classification"
OPTIONS = ActionOptions(taxonomy="auto")
FACTS = ModelFacts(name="fake", variant="onnxruntime-f32", device="cpu")


class Watches:
    """An instance whose state is the numbers of the frames that it saw; a result every `window` frames."""

    steps = True
    frame_rate = 10.0
    facts = FACTS
    card = SimpleNamespace(id="fake", class_names=lambda: ("falls", "pours"))

    def __init__(self, window=4):
        self.window = window
        self.seen = []
        self.error = None
        self.says = itertools.cycle([0.9])

    def start(self, options):
        return ()

    def step(self, frame, state, options, run, priority):
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        state = (*state, frame.seq)[-self.window :]
        self.seen.append(state)
        if len(state) < self.window:
            return None, state
        falls = next(self.says)
        found = ActionClassification(np.array([falls, 1 - falls]), ("falls", "pours"), ["ucf101"] * 2)
        return found, state


def frame(seq, at):
    return PictureFrame(np.zeros((9, 16, 3), np.uint8), at, seq)


@pytest.fixture
def watching():
    """A lane; `show(seq, at)` puts a frame and works on what waits."""
    instance, table, lines = Watches(), ServiceTable(), []
    table.put(Served(service(NAME), instance, OPTIONS))
    outlet = Outlet("box", "door", (lambda _, __, body: lines.append(orjson.loads(body)),), Counters())

    def made(every=None, publish=PublishSettings()):  # noqa: B008 - frozen
        lane = WatchLane(LaneTools(outlet, table, publish), RunSettings(service=NAME, every=every))

        def show(seq, at):
            lane.put(frame(seq, at))
            while (waiting := lane.mailbox.take()) is not None:
                lane.work(waiting)

        return show

    return SimpleNamespace(
        lane=made, instance=instance, lines=lines, counts=outlet.counters.counts, table=table, outlet=outlet
    )


def results(watching):
    return [line["frame"]["seq"] for line in watching.lines]


def test_the_state_goes_from_frame_to_frame_and_a_full_window_is_told(watching):
    show = watching.lane()
    for i in range(6):
        show(i, 100 + i / 10)
    assert watching.instance.seen[-1] == (2, 3, 4, 5)
    assert results(watching) == [3, 4, 5]
    message = StreamMessage.model_validate(watching.lines[0])
    assert message.result["class"] == "falls"
    assert message.result["taxonomy"] == "ucf101"
    assert watching.lines[0]["schema"] == "edged/video-classification/1"


@pytest.mark.parametrize(
    "then",
    [(5, 105.5), (0, 100.6), (5, 90.0)],
    ids=["after a gap", "after the source was opened again", "after the clock was set back"],
)
def test_it_begins_anew(watching, then):
    show = watching.lane()
    for i in range(5):
        show(i, 100 + i / 10)
    show(*then)
    assert watching.instance.seen[-1] == (then[0],)
    for i in range(1, 4):
        show(then[0] + i, then[1] + i / 10)
    assert len(watching.instance.seen[-1]) == 4


def test_another_model_begins_anew(watching):
    show = watching.lane()
    for i in range(3):
        show(i, 100 + i / 10)
    watching.table.put(Served(service(NAME), watching.instance, OPTIONS))
    show(3, 100.3)
    assert watching.instance.seen[-1] == (3,)


def test_a_step_that_fails_has_seen_nothing(watching):
    show = watching.lane()
    show(0, 100.0)
    watching.instance.error = InferenceError("it failed")
    show(1, 100.1)
    show(2, 100.2)
    assert watching.instance.seen == [(0,), (0, 2)]
    assert watching.lines[0]["error"] == {"code": 500, "message": "it failed"}
    assert watching.counts()["frames_failed/door"] == {"500": 1}


def test_only_changes_are_told(watching):
    watching.instance.says = itertools.chain([0.9, 0.8, 0.1, 0.2], itertools.repeat(0.9))
    show = watching.lane(publish=PublishSettings(on="change"))
    for i in range(9):
        show(i, 100 + i / 10)
    assert [line["result"]["class"] for line in watching.lines] == ["falls", "pours", "falls"]


def test_it_rests_where_results_are_wanted_seldom(watching):
    """Every ten seconds: it looks on until a window is full, and then not before it is time again."""
    show = watching.lane(every=10)
    for i in range(260):
        show(i, 100 + i / 10)
    assert results(watching) == [3, 103, 203]
    assert len(watching.instance.seen) == 12
    show(260, 90.0)  # the clock was set back: nobody waits for the old time
    assert watching.instance.seen[-1] == (260,)


def test_where_results_are_wanted_often_it_watches_on(watching):
    show = watching.lane(every=0.25)
    for i in range(13):
        show(i, 100 + i / 10)
    assert results(watching) == [3, 5, 8, 10], "one in .25 s of one in .1 s"
    assert len(watching.instance.seen) == 13


def test_a_model_of_whole_videos_is_named(watching):
    watching.instance.steps = False
    watching.lane()(0, 100.0)
    assert "fake looks at whole videos" in watching.lines[0]["error"]["message"]


def test_frames_that_come_too_fast_for_it_are_dropped_and_counted(watching):
    """The oldest first: eight wait."""
    lane = WatchLane(LaneTools(watching.outlet, watching.table), RunSettings(service=NAME))
    for i in range(11):
        lane.put(frame(i, 100 + i))
    assert [waiting.seq for waiting in iter(lane.mailbox.take, None)] == list(range(3, 11))
    assert watching.counts()["frames_dropped/door"] == {"busy": 3}


@pytest.mark.parametrize(
    ("fps", "a_second", "passed"),
    [(25, 12.5, 125), (30, 12.5, 125), (24, 12.5, 125), (12.5, 12.5, 125), (10, 12.5, 100), (25, None, 250)],
)
def test_as_many_frames_pass_as_are_wanted(fps, a_second, passed):
    ticks = Ticks()
    ticks.a_second = a_second
    times = [1_795_422_600 + i / fps for i in range(int(fps * 10))]
    through = [at for at in times if ticks.at(at)]
    assert abs(len(through) - passed) <= 1
    assert max(np.diff(through)) < 2 / min(fps, a_second or fps)


def test_ticks_outlive_a_clock_that_is_set():
    ticks = Ticks()
    ticks.a_second = 10.0
    assert [ticks.at(at) for at in (1000.0, 1000.05, 10.0, 10.05, 10.1, 500.0)] == [
        True,
        False,
        True,
        False,
        True,
        True,
    ]


def test_a_camera_feeds_frames_and_what_is_watched_side_by_side(watching):
    counters = Counters()
    lines = []
    outlet = Outlet(
        "box", "door", (lambda _, name, body: lines.append((name, orjson.loads(body))),), counters
    )
    scheduler = Scheduler("frames", 2, counters)
    feed = Feed(outlet, [RunSettings(service=NAME), RunSettings(service="ocr")], watching.table, scheduler)
    scheduler.start()
    feed.start()
    for i in range(8):
        feed.put(frame(i, 100 + i / 10))
    until(lambda: any(name == NAME for name, _ in lines), "a result")
    feed.stop()
    scheduler.stop()
    assert {name for name, _ in lines} == {NAME}
    assert counters.counts()["frames_dropped/door"]["service not ready"] >= 1
