"""One frame's way: documented messages, in order, with every drop counted."""

import time
from types import SimpleNamespace

import numpy as np
import orjson
import pytest
from pydantic import TypeAdapter, ValidationError

from edged.contracts.errors import NotReady, NotUsable
from edged.contracts.image import DetectionOptions, Detections
from edged.contracts.message import ModelFacts, StreamMessage
from edged.contracts.services import service
from edged.flow.counters import Counters
from edged.media.frame import PictureFrame
from edged.pipeline.frames import Feed, Outlet, RunSettings, StreamRoute, iso_utc
from edged.pipeline.scheduler import Scheduler
from edged.pipeline.served import Served, ServiceTable

OPTIONS = DetectionOptions(score_threshold=0.3, iou_threshold=0.5, max_detections=10)
FACTS = ModelFacts(name="fake", variant="onnxruntime-f32", device="cpu")


def served(infer, options=OPTIONS):
    return Served(service("object-detection"), SimpleNamespace(infer=infer, facts=FACTS), options)


def one_box(frame, options, run, priority):
    return Detections.from_arrays(np.array([[1, 2, 3, 4.0]]), np.array([0.5]), np.array([0]), ["cat"])


def frame(seq=0, at=1_795_422_600.123456):
    return PictureFrame(np.zeros((30, 50, 3), np.uint8), at, seq)


@pytest.fixture
def outlet():
    lines = []
    sink = lambda stream, name, body: lines.append((stream, name, orjson.loads(body)))  # noqa: E731
    made = Outlet("shop-1", "door", (sink,), Counters())
    return SimpleNamespace(outlet=made, lines=lines, counts=made.counters.counts)


def test_a_message_is_what_the_contract_says(outlet):
    route = StreamRoute(outlet.outlet, lambda: served(one_box), {})
    route.handle(frame(seq=7))
    route.handle(frame(seq=9))
    (stream, name, first), (_, _, second) = outlet.lines
    assert (stream, name) == ("door", "object-detection")
    StreamMessage.model_validate(first)
    assert first["captured_at"].endswith("Z")
    assert first["schema"] == "edged/object-detection/1"
    assert first["frame"] == {"width": 50, "height": 30, "seq": 7}
    assert (first["seq"], second["seq"]) == (0, 1)
    assert TypeAdapter(Detections).validate_python(first["result"]).detection_boxes == [[2, 1, 4, 3]]


def test_a_failed_item_is_published_as_an_error(outlet):
    def refuses(*_):
        raise NotUsable("two faces")

    StreamRoute(outlet.outlet, lambda: served(refuses), {}).handle(frame())
    message = outlet.lines[0][2]
    StreamMessage.model_validate(message)
    assert message["error"] == {"code": 422, "message": "two faces"}
    assert "result" not in message
    assert outlet.counts()["frames_failed/door"] == {"422": 1}


def test_while_the_service_is_not_ready_frames_are_dropped_and_counted(outlet):
    def not_yet():
        raise NotReady("loading")

    StreamRoute(outlet.outlet, not_yet, {}).handle(frame())
    assert outlet.lines == []
    assert outlet.counts() == {"frames_dropped/door": {"service not ready": 1}}


def test_options_of_the_stream_follow_those_of_the_service(outlet):
    seen = []

    def remember(item, options, run, priority):
        seen.append(options)
        return one_box(item, options, run, priority)

    now = [served(remember)]
    route = StreamRoute(outlet.outlet, lambda: now[0], {"score_threshold": 0.9})
    route.handle(frame())
    now[0] = served(remember, OPTIONS.model_copy(update={"max_detections": 3}))  # a reload
    route.handle(frame())
    assert [(o.score_threshold, o.max_detections) for o in seen] == [(0.9, 10), (0.9, 3)]


def test_a_feed_keeps_the_newest_and_counts_the_rest(outlet):
    table = ServiceTable()
    table.put(served(one_box))
    scheduler = Scheduler("frames", 1, outlet.outlet.counters)
    feed = Feed(outlet.outlet, [RunSettings(service="object-detection")], table, scheduler)
    feed.start()
    for seq in range(5):
        feed.put(frame(seq))
    scheduler.start()
    ends_at = time.monotonic() + 20
    while not outlet.lines and time.monotonic() < ends_at:
        time.sleep(0.002)
    feed.stop()
    scheduler.stop()
    assert [line[2]["frame"]["seq"] for line in outlet.lines] == [4]
    assert outlet.counts()["frames_dropped/door"] == {"busy": 4}


def test_every_is_a_gate_of_its_own(outlet):
    scheduler = Scheduler("frames", 1, Counters())
    feed = Feed(
        outlet.outlet, [RunSettings(service="object-detection", every=2.0)], ServiceTable(), scheduler
    )
    (lane,) = feed._lanes
    assert [lane.is_due(at / 2) for at in range(10)] == [at % 4 == 0 for at in range(10)]


@pytest.mark.parametrize(
    "written", ["object-detection", {"object-detection": None}, {"service": "object-detection"}]
)
def test_short_forms_of_run(written):
    assert RunSettings.model_validate(written) == RunSettings(service="object-detection")


def test_run_with_more_to_say():
    run = RunSettings.model_validate(
        {"object-detection": {"every": "2s", "options": {"score_threshold": 0.4}}}
    )
    assert (run.every, run.options) == (2.0, {"score_threshold": 0.4})
    with pytest.raises(ValidationError):
        RunSettings.model_validate({"object-detection": {"evry": 1}})


def test_times_are_utc_with_microseconds():
    assert iso_utc(0.5) == "1970-01-01T00:00:00.500000Z"
