"""A lane whose objects are followed: ids beside the result, and when they end."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import orjson
import pytest

from edged.contracts.errors import NotUsable
from edged.contracts.image import DetectionOptions, Detections
from edged.contracts.message import ModelFacts, StreamMessage
from edged.contracts.services import service
from edged.flow.counters import Counters
from edged.media.frame import PictureFrame
from edged.ops.tracks import LOST_S
from edged.serving.table import Served
from edged.streams.publisher import Outlet
from edged.streams.rule import PublishSettings
from edged.streams.tracking import LOW, TrackedLane, Tracking
from tests.streams.lanes import lane

OPTIONS = DetectionOptions(score_threshold=0.3, iou_threshold=0.5, max_detections=10)
FACTS = ModelFacts(name="fake", variant="onnxruntime-f32", device="cpu")
NAMES = ["person", "cat"]
SURE, UNSURE = 0.8, 0.15


class Forgetful:
    """Remembers no ids, and looks at nothing."""

    def highest(self):
        return 0

    def promise(self, highest):
        pass

    def see(self, frame, step):
        pass

    def still(self, at):
        pass


TRACKING = Tracking("object-detection", Forgetful(), Forgetful())


class Scene:
    """A camera whose model sees what it is told to: rows of x, score and class."""

    def __init__(self, **publish):
        self.messages, self.asked, self.rows = [], [], []
        sink = lambda stream, name, body: self.messages.append(orjson.loads(body))  # noqa: E731
        outlet = Outlet("shop-1", "door", (sink,), Counters())
        served = Served(
            service("object-detection"), SimpleNamespace(infer=self._infer, facts=FACTS, card=CARD), OPTIONS
        )
        self.lane = lane(
            outlet,
            lambda: served,
            publish=PublishSettings(**publish),
            kind=partial(TrackedLane, tracking=TRACKING),
        )
        self.seq, self.at, self.size = 0, 1_795_422_600.0, (100, 400)

    def _infer(self, frame, options, run, priority):
        self.asked.append(options.score_threshold)
        if self.rows is None:
            raise NotUsable("nothing")
        boxes = np.array([(x, 20, x + 20, 60) for x, _, _ in self.rows], float).reshape(-1, 4)
        scores = np.array([score for _, score, _ in self.rows])
        return Detections(boxes, scores, np.array([kind for *_, kind in self.rows], int), NAMES)

    def see(self, *rows, after=0.2):
        """The next frame; what is told of it."""
        self.rows = list(rows)
        return self._work(after)

    def fail(self):
        self.rows = None
        return self._work(0.2)

    def _work(self, after):
        self.at, self.seq = self.at + after, self.seq + 1
        before = len(self.messages)
        self.lane.work(self.frame())
        return self.messages[before] if len(self.messages) > before else None

    def frame(self):
        return PictureFrame(np.zeros((*self.size, 3), np.uint8), self.at, self.seq)


CARD = SimpleNamespace(class_names=lambda: NAMES)


def test_each_object_has_the_id_of_its_track_beside_the_result():
    scene = Scene()
    assert scene.see((10, SURE, 0), (200, SURE, 1))["tracks"] == [None, None]
    message = scene.see((203, SURE, 1), (12, SURE, 0))
    StreamMessage.model_validate(message)
    assert message["result"]["detection_class_names"] == ["cat", "person"]
    assert message["tracks"] == scene.see((206, SURE, 1), (14, SURE, 0))["tracks"]
    assert sorted(message["tracks"]) == [1, 2]


def test_the_model_is_asked_for_more_and_the_result_is_what_was_wanted():
    scene = Scene()
    scene.see((10, SURE, 0))
    scene.see((10, SURE, 0))
    message = scene.see((10, UNSURE, 0))
    assert scene.asked == [LOW] * 3
    assert (message["result"]["detection_scores"], message["tracks"]) == ([], [])
    assert scene.see((10, SURE, 0))["tracks"] == [1]


def test_ids_are_narrowed_with_their_objects():
    scene = Scene(classes=["person"])
    scene.see((10, SURE, 0), (200, SURE, 1))
    both = scene.see((200, SURE, 1), (10, SURE, 0))
    alone = scene.see((10, SURE, 0))
    assert both["result"]["detection_class_names"] == ["person"]
    assert both["tracks"] == alone["tracks"]
    assert len(both["tracks"]) == 1


def test_ids_are_no_news():
    scene = Scene(on="change")
    scene.see((10, SURE, 0))
    assert [scene.see((10 + n, SURE, 0)) for n in range(3)] == [None] * 3


def test_a_failure_has_no_tracks():
    scene = Scene()
    scene.see((10, SURE, 0))
    assert "tracks" not in scene.fail()


@pytest.mark.parametrize("how", ["opened again", "a stall", "set back", "turned"])
def test_tracks_end_and_their_ids_with_them(how):
    scene = Scene()
    scene.see((10, SURE, 0))
    assert scene.see((10, SURE, 0))["tracks"] == [1]
    if how == "opened again":
        scene.seq = -1
    if how == "turned":
        scene.size = (400, 100)
    scene.see((10, SURE, 0), after={"a stall": LOST_S + 0.5, "set back": -60}.get(how, 0.2))
    assert scene.see((10, SURE, 0))["tracks"] == [2]


@pytest.mark.parametrize("every", [1, 2.2])
def test_while_nothing_moves_they_are_held(every):
    """Also where a camera at rest shows its key frames alone, until one shows that something moves."""
    scene = Scene()
    scene.see((10, SURE, 0))
    scene.see((10, SURE, 0))
    for _ in range(30):
        scene.at += every
        scene.lane.still(scene.frame())
    assert scene.see((10, SURE, 0), after=every)["tracks"] == [1]
    assert scene.see((12, SURE, 0))["tracks"] == [1]
