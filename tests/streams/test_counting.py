"""From a camera's tracks to its counts: what crosses, what is cut, and what stands still."""

from types import SimpleNamespace

import numpy as np
import pytest

from edged.contracts.image import Detections
from edged.contracts.message import ModelFacts
from edged.contracts.services import service
from edged.counts.calendar import Calendar, zone_named
from edged.counts.chronicle import Chronicle
from edged.counts.desk import CountDesk
from edged.flow.counters import Counters
from edged.media.frame import PictureFrame
from edged.ops.movements import Crossing
from edged.serving.table import Served
from edged.streams.counting import Counting
from edged.streams.lane import LaneTools, RunSettings
from edged.streams.places import PlacesSettings
from edged.streams.publisher import Outlet
from edged.streams.tracking import TrackedLane, Tracking
from tests.counts.crossings import cross
from tests.streams.lanes import _Table
from tests.streams.test_tracking import CARD, OPTIONS

PLACES = PlacesSettings.model_validate(
    {
        "lines": {
            "middle": {"from": [0.0, 0.5], "to": [1.0, 0.5]},
            "top": {"from": [0.0, 0.1], "to": [1.0, 0.1], "classes": ["person", "cow"]},
        },
        "zones": {"low": {"polygon": [[0, 0.5], [1, 0.5], [1, 1], [0, 1]]}},
    }
)
SERVICE = "object-detection"


class Camera:
    """Sees one person, where it is told: how far down the picture of 200 x 400, or turned."""

    def __init__(self, chronicle, desk, told):
        self.chronicle, self.desk = chronicle, desk
        self.told = told
        self.moved = []
        self.counts = desk.open("door", ["middle", "top"], ["low"])
        facts = ModelFacts(name="fake", variant="onnxruntime-f32", device="cpu")
        instance = SimpleNamespace(infer=self._infer, facts=facts, card=CARD)
        served = Served(service(SERVICE), instance, OPTIONS)
        wanted = {"streams.door.lines.top.classes": ["person", "cow"], "rules.barn.when.seen": ["horse"]}
        tracking = Tracking(SERVICE, self.counts, Counting(PLACES, self.counts, self._moved), wanted)
        tools = LaneTools(Outlet("box", "door", (), Counters()), _Table(lambda: served))
        self.lane = TrackedLane(tools, RunSettings(service=SERVICE), tracking)
        self.seq, self.at, self.size, self.foot = 0, 1_795_422_600.0, (200, 400), None

    def _infer(self, frame, options, run, priority):
        if self.foot is None:
            return Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, int), ["person"])
        box = (100, self.foot - 40, 120, self.foot)
        return Detections(np.array([box], float), np.array([0.9]), np.array([0]), ["person"])

    def _moved(self, at, moved):
        self.moved.append(moved)
        crossings = [one for one in moved.movements if isinstance(one, Crossing)]
        cross(self.chronicle, self.desk, "door", *crossings)

    def frame(self):
        self.seq, self.at = self.seq + 1, self.at + 0.2
        return PictureFrame(np.zeros((*self.size, 3), np.uint8), self.at, self.seq)

    def see(self, *feet):
        for self.foot in feet:
            self.lane.work(self.frame())

    @property
    def line(self):
        return self.at_line("middle")

    def at_line(self, name):
        said = next(said for _, _, place, said in reversed(self.told) if place == name)
        return said.in_, said.out

    @property
    def zone(self):
        return next(said for _, kind, _, said in reversed(self.told) if kind == "zone").count


@pytest.fixture
def camera(tmp_path, monkeypatch):
    monkeypatch.setattr("edged.flow.clock.state", lambda: "synced")
    told = []
    calendar = Calendar(zone_named("UTC"))
    chronicle = Chronicle(tmp_path / "counts.db", Counters())
    desk = CountDesk(chronicle, calendar, lambda *one: told.append(one))
    desk.start()
    yield Camera(chronicle, desk, told)
    desk.stop()


DOWN = range(60, 160, 10)


def test_who_walks_down_comes_in_and_is_in_the_zone(camera):
    camera.see(*DOWN)
    assert (camera.line, camera.zone) == ((1, 0), 1)
    camera.see(*reversed(DOWN))
    assert (camera.line, camera.zone) == ((1, 1), 0)


def test_who_vanishes_is_in_the_zone_no_longer_than_somebody_may_be_hidden(camera):
    camera.see(*DOWN, *[150] * 5, *[None] * 6)
    assert camera.zone == 1, "hidden for 1.2 s"
    camera.see(150)
    assert [said.count for _, kind, _, said in camera.told if kind == "zone"][-2:] == [0, 1]
    camera.see(*[None] * 6)
    assert camera.zone == 1
    camera.see(None)
    assert (camera.zone, len(camera.moved[-1].inside["low"])) == (0, 1), "rules wait for it a little longer"
    camera.see(150)
    assert camera.zone == 1


def test_who_is_missed_by_a_slow_look_is_in_the_zone(camera):
    camera.see(*DOWN, 150)
    camera.at += 1.3  # the look before is older than somebody may be hidden
    camera.see(None)
    assert camera.zone == 1


def test_a_flicker_does_not_count_backwards(camera):
    camera.see(*range(60, 115, 5), *([112, 97, 113, 98] * 5), *range(110, 160, 10))
    assert camera.line == (1, 0)


@pytest.mark.parametrize("how", ["opened again", "turned", "stalled"])
def test_what_is_cut_is_neither_a_crossing_nor_an_empty_zone(camera, how):
    camera.see(*range(130, 160, 10))
    assert camera.zone == 1
    if how == "opened again":
        camera.seq = -1
    elif how == "turned":
        camera.size = (400, 200)
    else:
        camera.at += 10
    before = len(camera.told)
    camera.see(60)
    assert camera.zone is None, "nothing is known after one look"
    camera.see(60)
    assert (camera.line, camera.zone) == ((0, 0), 0)
    assert [said.count for _, kind, _, said in camera.told[before:] if kind == "zone"] == [None, 0]


def test_while_nothing_moves_who_is_there_is_there(camera):
    camera.see(*range(60, 105, 5))
    for _ in range(100):
        camera.lane.still(camera.frame())
    camera.see(110, 120, 130, 140)
    assert camera.line == (1, 0)
    assert camera.counts.inside() is not None


@pytest.mark.parametrize(("before", "counted"), [((), 0), ((None, None), 1)])
def test_who_is_there_when_the_camera_is_opened_did_not_come_in(camera, before, counted):
    """After a kill somebody stands at the edge, beyond the line, and walks on: not counted again."""
    camera.see(*before, 40, 48, 56, 64)
    assert camera.at_line("top") == (counted, 0)


def test_who_comes_in_late_and_twice(camera):
    camera.see(*range(60, 100, 10))
    camera.seq -= 1  # the same frame once more
    camera.at -= 0.2
    camera.see(90, *range(90, 160, 10))
    assert camera.line == (1, 0)


def test_classes_that_the_model_does_not_know_are_said_once(camera, caplog):
    camera.see(60, 70, 80)
    said = [record.getMessage() for record in caplog.records if "class" in record.getMessage()]
    assert len(said) == 2
    assert said[0].startswith("streams.door.lines.top.classes: the model knows no class 'cow'")
    assert said[1].startswith("rules.barn.when.seen: the model knows no class 'horse'")
