"""From a camera's frames to events: tracks, lines, zones, the witness and the rules' machine, together."""

from types import SimpleNamespace

import numpy as np
import pytest

from edged.config.settings import StreamSettings
from edged.contracts.image import Detections
from edged.contracts.message import ModelFacts
from edged.contracts.services import service
from edged.counts.calendar import Calendar, zone_named
from edged.events.settings import RuleSettings
from edged.flow.counters import Counters
from edged.media.frame import PictureFrame
from edged.replay.tally import Tally
from edged.serving.table import Served
from edged.streams.counting import Counting
from edged.streams.lane import LaneTools, RunSettings
from edged.streams.publisher import Outlet
from edged.streams.tracking import TrackedLane, Tracking
from edged.streams.witness import Witness
from edged.wiring.witnesses import interest_of, machine_of, may_happen
from tests.streams.lanes import _Table
from tests.streams.test_tracking import CARD, OPTIONS

SERVICE = "object-detection"
BEGAN = 1_795_422_600.0
STREAM = StreamSettings.model_validate(
    {
        "source": "rtsp://camera",
        "run": [SERVICE],
        "lines": {"middle": {"from": [0.0, 0.5], "to": [1.0, 0.5]}},
        "zones": {"low": {"polygon": [[0, 0.5], [1, 0.5], [1, 1], [0, 1]], "events": True}},
    }
)
RULES = {
    "visitor": {"when": {"line": "door/middle", "direction": "in"}},
    "queue": {"when": {"zone": "door/low", "count": ">= 1"}, "for": "1s", "end_after": "2s"},
    "crowd": {"when": {"zone": "door/low", "count": ">= 100"}, "end_after": "2s"},
    "loiterer": {"when": {"zone": "door/low", "stays": "3s"}},
    "anybody": {"when": {"seen": "person", "stream": "door"}, "end_after": "2s"},
    "blind": {"when": {"offline": "door"}, "for": "3s"},
}
FIFTY = {
    f"rule-{n}": RULES["queue"] | {"when": {"zone": "door/low", "count": f">= {n + 1}"}} for n in range(50)
}


class Scene:
    """A camera of 1000 x 400 that sees people: where their feet are, x and y."""

    def __init__(self, rules=RULES):
        rules = {name: RuleSettings.model_validate(rule) for name, rule in rules.items()}
        self.happened = []
        self.tally = Tally(STREAM, self.happened.append)
        machine = machine_of(STREAM, rules, Calendar(zone_named("UTC")), {})
        self.witness = Witness(machine, self.tally, interest_of(STREAM, rules), lambda at: (at - BEGAN, at))
        served = Served(service(SERVICE), SimpleNamespace(infer=self._infer, facts=FACTS, card=CARD), OPTIONS)
        counting = Counting(STREAM, self.tally, self._moved)
        tools = LaneTools(Outlet("box", "door", (), Counters()), _Table(lambda: served))
        tracking = Tracking(SERVICE, self.tally, counting)
        self.lane = TrackedLane(tools, RunSettings(service=SERVICE), tracking)
        self.seq, self.at, self.size, self.feet = 0, BEGAN, (400, 1000), ()

    def _moved(self, at, moved):
        self.tally.moved(at, moved)
        self.witness.moved(at, moved)

    def _infer(self, frame, options, run, priority):
        boxes = np.array([(x - 5, y - 40, x + 5, y) for x, y in self.feet], float).reshape(-1, 4)
        n = len(boxes)
        return Detections(boxes, np.full(n, 0.9), np.zeros(n, int), ["person"])

    def frame(self):
        return PictureFrame(np.zeros((*self.size, 3), np.uint8), self.at, self.seq)

    def see(self, *feet, every=0.2):
        """The next frame."""
        self.seq, self.at, self.feet = self.seq + 1, self.at + every, feet
        self.lane.work(self.frame())

    def tick(self, seconds):
        """Nobody looks."""
        for _ in range(round(seconds)):
            self.at += 1
            self.witness.tick(self.at)

    def told(self, name):
        """Phases and reasons of a rule, in order."""
        return [(one.phase, one.reason) for one in self.happened if one.rule == name]

    @property
    def counted(self):
        ways = self.tally.lines["middle"].get("person", {"in": 0, "out": 0})
        return ways["in"], ways["out"]


FACTS = ModelFacts(name="fake", variant="onnxruntime-f32", device="cpu")
BEGUN, OVER = ("begin", None), ("end", "over")


def walk(scene, xs=(500,), begin=100, end=350, steps=26):
    for y in np.linspace(begin, end, steps):
        scene.see(*((x, y) for x in xs))


def test_who_walks_in_stays_and_goes_makes_each_event_once():
    scene = Scene()
    walk(scene)
    for _ in range(25):
        scene.see((500, 350))
    for _ in range(40):
        scene.see()
    scene.tick(5)
    assert scene.counted == (1, 0)
    assert scene.told("visitor") == [("once", None)]
    for rule in ("queue", "loiterer", "anybody"):
        assert scene.told(rule) == [BEGUN, OVER]
    assert scene.told("crowd") == scene.told("blind") == []
    zone = [one.phase for one in scene.happened if one.kind == "zone"]
    assert zone == ["begin", "end"]
    begins = [one.key for one in scene.happened if one.phase == "begin"]
    assert begins and sorted(begins) == sorted(one.key for one in scene.happened if one.phase == "end")


def test_frames_late_and_twice_neither_count_nor_begin_anything():
    once, again = Scene(), Scene()
    for scene in (once, again):
        for y in np.linspace(100, 350, 26):
            scene.see((500, y))
            if scene is again:
                scene.lane.work(scene.frame())  # twice
            if scene is again and round(y) == 350:
                seq, at = scene.seq, scene.at
                scene.seq, scene.at = seq - 3, at - 0.6
                scene.lane.work(scene.frame())  # late
                scene.seq, scene.at = seq, at
    assert [one.key for one in once.happened] == [one.key for one in again.happened] != []
    assert (once.counted, again.counted) == ((1, 0), (1, 0))


def test_a_camera_that_turns_counts_nobody_and_ends_nothing_at_once():
    scene = Scene()
    for _ in range(20):
        scene.see((500, 350))
    assert scene.told("queue") == [BEGUN]
    scene.size = (1000, 400)
    scene.see((200, 450))
    assert scene.told("queue") == [BEGUN], "after one look nobody knows"
    for _ in range(20):
        scene.see((200, 900))
    assert scene.told("queue") == [BEGUN], "somebody is in the zone again"
    assert scene.counted == (0, 0)
    for _ in range(20):
        scene.see((200, 100))
    assert scene.told("queue") == [BEGUN, OVER]


def test_a_stall_is_unknown_and_ends_all_after_a_minute():
    scene = Scene()
    for _ in range(20):
        scene.see((500, 350))
    scene.witness.reached("stalled", scene.at)
    scene.tick(50)
    assert scene.told("queue") == [BEGUN]
    assert scene.told("blind") == [BEGUN]
    scene.tick(20)
    assert scene.told("queue") == [BEGUN, ("end", "unknown")]
    scene.witness.reached("online", scene.at)
    scene.tick(10)
    assert scene.told("blind") == [BEGUN, OVER]


def test_while_nothing_moves_who_is_there_is_there():
    scene = Scene()
    for _ in range(10):
        scene.see((500, 350))
    for _ in range(300):
        scene.at += 0.2
        scene.seq += 1
        scene.lane.still(scene.frame())
        scene.witness.still(scene.at)
        scene.witness.tick(scene.at)
    assert scene.told("queue") == scene.told("anybody") == [BEGUN]
    assert scene.told("loiterer") in ([], [BEGUN]), "who stays is told by a look"
    scene.see((500, 350))
    assert scene.told("loiterer") == [BEGUN]


def test_two_hundred_people_and_fifty_rules():
    """In four rows, one behind the other, as wide apart as they are tall."""
    scene = Scene(FIFTY)
    xs = [10 + 20 * n for n in range(49)]
    for step in range(101):
        scene.see(*((x, 50 + 3 * step - 45 * row) for x in xs for row in range(4)))
    assert scene.counted == (49 * 4, 0)
    assert {rule: scene.told(rule) for rule in FIFTY} == {rule: [BEGUN] for rule in FIFTY}


@pytest.mark.parametrize("reason", ["reload", "removed", "disabled", "stopped"])
def test_at_the_end_all_that_goes_on_ends_with_the_reason(reason):
    scene = Scene()
    for _ in range(20):
        scene.see((500, 350))
    going_on = {one.key for one in scene.happened if one.phase == "begin"}
    scene.witness.close(lambda kind, name: reason, scene.at)
    ends = [one for one in scene.happened if one.phase == "end"]
    assert {one.key for one in ends} == going_on
    assert {one.reason for one in ends} == {reason}


@pytest.mark.parametrize(
    ("changes", "happens"),
    [
        ({"lines": {}, "zones": {}}, False),
        ({"lines": {}, "zones": {"low": {"polygon": [[0, 0], [1, 0], [1, 1]]}}}, False),
        ({"lines": {}}, True),
        ({"zones": {}}, True),
    ],
)
def test_a_stream_without_rules_lines_and_events_has_no_witness(changes, happens):
    stream = StreamSettings.model_validate({**STREAM.model_dump(by_alias=True), **changes})
    assert may_happen(stream, {}) is happens
    assert may_happen(stream, {"blind": RuleSettings.model_validate(RULES["blind"])})
