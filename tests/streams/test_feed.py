"""One frame's way: documented messages, in order, with every drop counted."""

import time
from types import SimpleNamespace

import cv2
import numpy as np
import orjson
import pybase64
import pytest
from pydantic import TypeAdapter, ValidationError

from edged.answers.detections import DetectionFields
from edged.contracts.errors import NotReady, NotUsable
from edged.contracts.image import DetectionOptions, Detections, OutImage, PictureOptions
from edged.contracts.masks import Foreground, ForegroundOptions, Opacity, Segmentation, SegmentationOptions
from edged.contracts.message import ModelFacts, StreamMessage
from edged.contracts.services import service
from edged.flow.clock import iso_utc
from edged.flow.counters import Counters
from edged.media.frame import PictureFrame
from edged.serving.scheduler import Scheduler
from edged.serving.table import Served, ServiceTable
from edged.streams.feed import Feed
from edged.streams.lane import RunSettings
from edged.streams.publisher import Outlet
from edged.streams.rule import PublishSettings
from tests.broker import until
from tests.streams.lanes import lane

OPTIONS = DetectionOptions(score_threshold=0.3, iou_threshold=0.5, max_detections=10)
FACTS = ModelFacts(name="fake", variant="onnxruntime-f32", device="cpu")


def served(infer, options=OPTIONS):
    return Served(service("object-detection"), SimpleNamespace(infer=infer, facts=FACTS), options)


def one_box(frame, options, run, priority):
    return Detections(np.array([[1, 2, 3, 4.0]]), np.array([0.5]), np.array([0]), ["cat"])


def boxes(*names):
    """A model that sees these classes, one list a call; the last one stays."""
    calls = list(names)

    def infer(*_):
        seen = calls.pop(0) if len(calls) > 1 else calls[0]
        known = ["person", "cat"]
        ids = np.array([known.index(name) for name in seen], int)
        xyxy = np.tile([5.0, 6.0, 30.0, 25.0], (len(seen), 1))
        return Detections(xyxy, np.full(len(seen), 0.5), ids, known)

    return infer


def frame(seq=0, at=1_795_422_600.123456):
    return PictureFrame(np.zeros((30, 50, 3), np.uint8), at, seq)


@pytest.fixture
def outlet():
    lines = []
    sink = lambda stream, name, body: lines.append((stream, name, orjson.loads(body)))  # noqa: E731
    pictures = []
    made = Outlet("shop-1", "door", (sink,), Counters(), (lambda *picture: pictures.append(picture),))
    return SimpleNamespace(outlet=made, lines=lines, pictures=pictures, counts=made.counters.counts)


def test_a_message_is_what_the_contract_says(outlet):
    route = lane(outlet.outlet, lambda: served(one_box), {})
    route.work(frame(seq=7))
    route.work(frame(seq=9))
    (stream, name, first), (_, _, second) = outlet.lines
    assert (stream, name) == ("door", "object-detection")
    StreamMessage.model_validate(first)
    assert first["captured_at"].endswith("Z")
    assert first["schema"] == "edged/object-detection/1"
    assert first["frame"] == {"width": 50, "height": 30, "seq": 7}
    assert (first["seq"], second["seq"]) == (0, 1)
    fields = TypeAdapter(DetectionFields).validate_python(first["result"])
    np.testing.assert_array_equal(fields.detection_boxes, [[2, 1, 4, 3]])


def test_a_failed_item_is_published_as_an_error(outlet):
    def refuses(*_):
        raise NotUsable("two faces")

    lane(outlet.outlet, lambda: served(refuses), {}).work(frame())
    message = outlet.lines[0][2]
    StreamMessage.model_validate(message)
    assert message["error"] == {"code": 422, "message": "two faces"}
    assert "result" not in message
    assert outlet.counts()["frames_failed/door"] == {"422": 1}


def test_while_the_service_is_not_ready_frames_are_dropped_and_counted(outlet):
    def not_yet():
        raise NotReady("loading")

    lane(outlet.outlet, not_yet, {}).work(frame())
    assert outlet.lines == []
    assert outlet.counts() == {"frames_dropped/door": {"service not ready": 1}}


def test_options_of_the_stream_follow_those_of_the_service(outlet):
    seen = []

    def remember(item, options, run, priority):
        seen.append(options)
        return one_box(item, options, run, priority)

    now = [served(remember)]
    route = lane(outlet.outlet, lambda: now[0], {"score_threshold": 0.9})
    route.work(frame())
    now[0] = served(remember, OPTIONS.model_copy(update={"max_detections": 3}))  # a reload
    route.work(frame())
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
    until(lambda: outlet.lines)
    feed.stop()
    scheduler.stop()
    assert [line[2]["frame"]["seq"] for line in outlet.lines] == [4]
    assert outlet.counts()["frames_dropped/door"] == {"busy": 4}


def test_every_is_a_gate_of_its_own(outlet):
    scheduler = Scheduler("frames", 1, Counters())
    feed = Feed(
        outlet.outlet, [RunSettings(service="object-detection", every=2.0)], ServiceTable(), scheduler
    )
    (one,) = feed._lanes
    assert [one._turns.at(at / 2) for at in range(10)] == [at % 4 == 0 for at in range(10)]


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


def names_told(outlet):
    return [line[2]["result"]["detection_class_names"] for line in outlet.lines]


def test_on_change_only_what_changes_is_told_and_seq_has_no_gap(outlet):
    infer = boxes(["cat"], ["cat"], [], ["cat"], ["person"], ["person"])
    route = lane(outlet.outlet, lambda: served(infer), {}, PublishSettings(on="change"))
    for n in range(6):
        route.work(frame(seq=n))
    assert names_told(outlet) == [["cat"], ["person"]]
    assert [line[2]["seq"] for line in outlet.lines] == [0, 1]
    assert [line[2]["frame"]["seq"] for line in outlet.lines] == [0, 5]
    assert outlet.counts()["results_suppressed/door"] == {"unchanged": 2, "flicker": 2}
    assert outlet.counts()["frames_inferred/door"] == {"object-detection": 6}


def test_messages_keep_only_the_wanted_classes_but_the_live_view_sees_all(outlet):
    one = served(boxes(["cat", "person"], ["cat"]))
    one.instance.card = SimpleNamespace(class_names=lambda: ("person", "cat"))
    route = lane(outlet.outlet, lambda: one, {}, PublishSettings(classes=["person"]))
    route.work(frame())
    route.work(frame())
    assert names_told(outlet) == [["person"]]
    (message,) = (line[2] for line in outlet.lines)
    StreamMessage.model_validate(message)
    assert len(message["result"]["detection_boxes"]) == 1
    assert outlet.counts()["results_suppressed/door"] == {"classes": 1}
    assert outlet.outlet.view._findings["object-detection"][1].result.class_names == ["cat"]


def test_a_class_that_the_model_does_not_know_is_warned_about_once(outlet, caplog):
    one = served(boxes(["person"]))
    one.instance.card = SimpleNamespace(class_names=lambda: ("person", "cat"))
    route = lane(outlet.outlet, lambda: one, {}, PublishSettings(classes=["prson"]))
    for _ in range(3):
        route.work(frame())
    (said,) = caplog.messages
    assert "streams.door.publish.classes" in said
    assert "did you mean person?" in said


def test_the_last_state_is_told_when_the_interval_ends_though_no_frame_comes(outlet):
    infer = boxes([], ["person"])
    settings = PublishSettings(on="change", min_interval=0.3)
    route = lane(outlet.outlet, lambda: served(infer), {}, settings)
    began = time.monotonic()
    for _ in range(3):
        route.work(frame())
    until(lambda: len(outlet.lines) == 2)
    assert time.monotonic() - began >= 0.3
    assert names_told(outlet) == [[], ["person"]]


def test_what_waits_is_not_told_after_the_end(outlet):
    route = lane(outlet.outlet, lambda: served(one_box), {}, PublishSettings(min_interval=3600))
    for _ in range(2):
        route.work(frame())
    timer = route._publisher._timer
    assert timer.is_alive()
    route._publisher.close()
    timer.join(20)
    route.work(frame())
    assert len(outlet.lines) == 1


def test_errors_begin_and_end(outlet):
    bad = [False, True, True, False, False]

    def sometimes(*asked):
        if bad.pop(0):
            raise NotUsable("two faces")
        return one_box(*asked)

    route = lane(outlet.outlet, lambda: served(sometimes), {}, PublishSettings(on="change"))
    for _ in range(5):
        route.work(frame())
    assert ["error" in line[2] for line in outlet.lines] == [False, True, False]


def test_a_snapshot_goes_with_each_message(outlet):
    table = ServiceTable()
    table.put(served(boxes(["cat"])))
    scheduler = Scheduler("frames", 2, outlet.outlet.counters)
    publish = PublishSettings(on="change", snapshot=True)
    feed = Feed(outlet.outlet, [RunSettings(service="object-detection")], table, scheduler, publish)
    feed.start()
    scheduler.start()
    for n in range(3):
        feed.put(frame(n, at=100.0 + n))
        until(lambda n=n: outlet.counts().get("frames_inferred/door", {}).get("object-detection") == n + 1)
    until(lambda: outlet.pictures)
    feed.stop()
    scheduler.stop()
    ((stream, captured_at, jpeg),) = outlet.pictures
    assert (stream, captured_at) == ("door", 100.0)
    assert iso_utc(captured_at) == outlet.lines[0][2]["captured_at"]
    assert jpeg.startswith(b"\xff\xd8\xff")


def test_the_live_view_has_the_newest_answer_and_bare_frames_while_nothing_is_ready(outlet):
    view = outlet.outlet.view
    scheduler, table = Scheduler("frames", 1, Counters()), ServiceTable()
    feed = Feed(outlet.outlet, [RunSettings(service="object-detection")], table, scheduler)
    feed.put(frame())
    bare = view.jpeg()
    assert bare is not None
    lane(outlet.outlet, lambda: served(one_box), {}).work(frame())
    assert view.jpeg()[0] > bare[0]
    assert view.jpeg()[1] != bare[1], "a box is drawn"


def test_a_service_of_a_stream_may_have_a_rule_of_its_own(outlet):
    run = RunSettings.model_validate({"object-detection": {"publish": {"on": "change"}}})
    runs = [run, RunSettings(service="ocr")]
    feed = Feed(outlet.outlet, runs, ServiceTable(), Scheduler("frames", 1, Counters()), PublishSettings())
    assert [one._publisher._rule._settings.on for one in feed._lanes] == ["change", "every"]


def test_times_are_utc_with_microseconds():
    assert iso_utc(0.5) == "1970-01-01T00:00:00.500000Z"


@pytest.mark.parametrize("encoding", ["rle", "png"])
def test_a_stream_has_options_of_its_own(outlet, encoding):
    asked = []

    def infer(frame, options, run, priority):
        asked.append(options)
        left = Opacity(np.ones((2, 2), np.float32), np.array([0, 0, 25, 30], np.float32))
        return Foreground([left], (8, 8), (30, 50))

    options = ForegroundOptions(
        output_size="input", mask_encoding="list", threshold=0.5, person_threshold=0.3
    )
    masks = Served(service("foreground-segmentation"), SimpleNamespace(infer=infer, facts=FACTS), options)
    patch = {} if encoding == "rle" else {"mask_encoding": encoding}  # of streams runs are the default
    lane(outlet.outlet, lambda: masks, patch).work(frame())
    assert asked[0].mask_encoding == encoding
    assert asked[0].output_size == "input"
    result = outlet.lines[0][2]["result"]
    assert result["human_ratio"] == "0.500000"
    if encoding == "rle":
        assert result["mask"] == {"counts": [0, *[25] * 59, 25], "size": [30, 50]}
    else:
        mask = cv2.imdecode(np.frombuffer(pybase64.b64decode(result["mask"]), np.uint8), -1)
        np.testing.assert_array_equal(mask, np.tile([[255] * 25 + [0] * 25], (30, 1)))


def test_pictures_are_all_told_on_change_and_counted_as_told(outlet):
    """They cannot be compared: none is the same as the one before."""
    picture = OutImage(np.full((30, 50, 3), 90, np.uint8))
    instance = SimpleNamespace(infer=lambda *_: picture, facts=FACTS)
    colours = Served(service("image-colorization"), instance, PictureOptions(image_format="png"))
    publish = PublishSettings(on="change", snapshot=True)
    route = lane(outlet.outlet, lambda: colours, {}, publish)
    for n in range(5):
        route.work(frame(seq=n))
    assert [line[2]["frame"]["seq"] for line in outlet.lines] == [0, 1, 2, 3, 4]
    shown = pybase64.b64decode(outlet.lines[4][2]["result"]["out_image"])
    decoded = cv2.imdecode(np.frombuffer(shown, np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(decoded, picture.pixels)
    assert "results_suppressed/door" not in outlet.counts()


def test_a_model_that_wants_a_reference_says_that_no_camera_can_feed_it(outlet, caplog):
    options = PictureOptions(image_format="png")
    colours = Served(
        service("image-colorization"), SimpleNamespace(facts=FACTS), options, reference=True, instead="deep"
    )
    route = lane(outlet.outlet, lambda: colours, {})
    for n in range(3):
        route.work(frame(seq=n))
    error = outlet.lines[0][2]["error"]
    assert error["code"] == 422
    told = "no camera can feed image-colorization: fake colours a picture like another one of the same scene"
    assert error["message"].startswith(told)
    assert error["message"].endswith("; deep needs none: `edged pull deep`")
    assert [line.startswith(f"streams.door.run: {told}") for line in caplog.messages] == [True]


@pytest.mark.parametrize("wanted", [True, False])
def test_streams_have_the_spelling_of_the_originals_examples_too(outlet, wanted):
    instance = SimpleNamespace(infer=one_box, facts=FACTS)
    spelt = Served(service("object-detection"), instance, OPTIONS, pai_spelling=wanted)
    lane(outlet.outlet, lambda: spelt, {}).work(frame())
    result = outlet.lines[0][2]["result"]
    assert result["detection_class_names"] == ["cat"]
    assert result.get("detection_classe_names") == (["cat"] if wanted else None)


def test_an_answer_that_cannot_be_written_is_told_as_an_error(outlet):
    def vast(*_):
        return Segmentation(np.zeros((21, 4, 4), np.float32), (30, 50), [str(n) for n in range(21)])

    options = SegmentationOptions(output_size=(8000, 8000), mask_encoding="rle", return_all_probs=True)
    instance = SimpleNamespace(infer=vast, facts=FACTS)
    lane(outlet.outlet, lambda: Served(service("semantic-segmentation"), instance, options), {}).work(frame())
    message = outlet.lines[0][2]
    StreamMessage.model_validate(message)
    assert message["error"]["code"] == 413
    assert "`return_all_probs`" in message["error"]["message"]
