"""One request's way: whatever comes in, exactly one helpful answer goes out."""

import threading
import time
from types import SimpleNamespace

import cv2
import numpy as np
import orjson
import pybase64
import pytest

from edged.contracts.errors import InferenceError, QueueFull
from edged.contracts.image import DetectionOptions, Detections
from edged.contracts.message import FailedAnswer, ModelFacts
from edged.contracts.request import Answer, RequestJob
from edged.contracts.services import service
from edged.flow.counters import Counters
from edged.media.picture import PictureLimits
from edged.media.policy import FetchSettings
from edged.requests.queue import RequestQueue
from edged.requests.settings import RequestSettings
from edged.serving.table import Served, ServiceTable
from tests.broker import until
from tests.media.strangers import Stranger, dripping, ok

OPTIONS = DetectionOptions(score_threshold=0.3, iou_threshold=0.5, max_detections=10)
JPEG = pybase64.b64encode_as_string(cv2.imencode(".jpg", np.full((40, 60, 3), 90, np.uint8))[1].tobytes())

NOBODY = {"requests": 0, "suspects": 0, "loading": 0, "fetched": 0, "recordings": 0, "fetches": 0}
"""Waits in any queue."""


class FakeInstance:
    """Answers one box of the picture's size and remembers the options."""

    facts = ModelFacts(name="fake", variant="onnxruntime-f32", device="cpu")
    picture = None

    def __init__(self, infer=None):
        self.options = None
        self._infer = infer

    def infer(self, item, options, run, priority):
        self.options = options
        if self._infer:
            return self._infer(item, run)
        box = np.array([[0, 0, item.width, item.height]], np.float32)
        return Detections(box, np.array([0.9], np.float32), np.array([0]), ["person"])


def table_with(instance):
    table = ServiceTable()
    table.put(Served(service("object-detection"), instance, OPTIONS))
    return table


def ask(body, name="object-detection", instance=None, age_s=0.0, wants_drawing=False, **settings):
    """The answer of one request, parsed; checks that it echoes and counts."""
    counters = Counters()
    queue = RequestQueue(table_with(instance or FakeInstance()), RequestSettings(**settings), 1, counters)
    payload = body if isinstance(body, bytes) else orjson.dumps(body)
    answers = []
    received_at = time.monotonic() - age_s
    queue.start()
    try:
        queue.submit(RequestJob(name, payload, received_at, answers.append, wants_drawing=wants_drawing))
        until(lambda: answers)
    finally:
        queue.stop()
    (answer,) = answers
    parsed = orjson.loads(answer.body)
    assert parsed["request_id"] == answer.request_id
    assert sum(sum(c.values()) for n, c in counters.counts().items() if n.startswith("requests/")) == 1
    if answer.code != 200:
        FailedAnswer.model_validate(parsed)
        assert parsed["error_code"] == answer.code
    return SimpleNamespace(code=answer.code, raw=answer, **parsed)


def test_a_good_request():
    answer = ask({"image": JPEG, "request_id": "r-1", "reply_to": "me/too"})
    assert (answer.code, answer.request_id, answer.success) == (200, "r-1", True)
    assert answer.detection_boxes == [[0.0, 0.0, 40.0, 60.0]]  # top, left, bottom, right
    assert answer.detection_class_names == ["person"]
    assert (answer.raw.model, answer.raw.reply_to) == ("fake", "me/too")


def test_without_an_id_one_is_made():
    assert len(ask({"image": JPEG}).request_id) == 36


def test_options_of_the_request_go_over_those_of_the_service():
    instance = FakeInstance()
    ask({"image": JPEG, "score_threshold": 1}, instance=instance)
    assert instance.options == OPTIONS.model_copy(update={"score_threshold": 1.0})


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        (b"", 400, "not JSON"),
        (b"{", 400, "not JSON"),
        (b"\xff\xfe", 400, "not JSON"),
        (b"[1]", 400, "must be a JSON object, not an array"),
        (b"null", 400, "not null"),
        (b'{"image": NaN}', 400, "not JSON"),
        ({}, 400, "`image` is missing"),
        ({"image": 5}, 400, "`image` is wrong"),
        ({"image": ""}, 400, "`image`"),
        ({"image": None}, 400, "`image`"),
        ({"image": JPEG, "imgae": 1}, 400, "`imgae` is unknown; did you mean image?"),
        ({"image": JPEG, "score_threshold": "0.5"}, 400, "`score_threshold` is wrong"),
        ({"image": JPEG, "score_threshold": True}, 400, "`score_threshold` is wrong"),
        ({"image": JPEG, "score_threshold": 2}, 400, "must be at most 1"),
        ({"image": JPEG, "max_detections": 1.5}, 400, "`max_detections`"),
        ({"image": JPEG, "request_id": 7}, 400, "`request_id`"),
        ({"image": JPEG, "request_id": "x" * 201}, 400, "200"),
        ({"image": JPEG, "timeout_s": -1}, 400, "`timeout_s`"),
        ({"image": "%%% no base64 %%%"}, 400, "`image`"),
        ({"image": "aGVsbG8="}, 415, "`image`"),
    ],
)
def test_bad_input(body, code, says):
    answer = ask(body)
    assert answer.code == code
    assert says in answer.error_msg
    assert len(answer.error_msg) < 600, "one sentence, not the payload back"


def test_all_wrong_fields_are_named_at_once():
    answer = ask({"score_threshold": 9, "colour": "red"})
    assert all(f"`{name}`" in answer.error_msg for name in ("image", "score_threshold", "colour"))


def test_unknown_and_unserved_services():
    assert ask({}, name="objct-detection").code == 404
    answer = ask({"image": JPEG}, name="ocr")
    assert answer.code == 404, "nobody configured it: waiting would not help"
    assert "'ocr' is not among `services`" in answer.error_msg


def test_a_request_that_waited_too_long_is_not_run():
    instance = FakeInstance()
    answer = ask({"image": JPEG, "timeout_s": 1}, instance=instance, age_s=5)
    assert (answer.code, instance.options) == (504, None)
    assert "timeout_s" in answer.error_msg


def test_a_failed_answer_names_the_model_where_one_was_found_for_it():
    assert ask({"image": "aGVsbG8="}).raw.model == "fake"
    assert ask({"image": JPEG}, instance=FakeInstance(lambda *_: 1 / 0)).raw.model == "fake"
    assert ask({"image": JPEG}, max_answer_bytes=1000, instance=FakeInstance(crowd)).raw.model == "fake"
    assert ask({"image": JPEG, "imgae": 1}).raw.model is None
    assert ask({"image": JPEG}, name="ocr").raw.model is None


def test_numbers_that_are_not_finite_are_500_and_not_null():
    def wild(item, run):
        return Detections(np.full((1, 4), np.nan), np.ones(1), np.zeros(1, int), ["a"])

    answer = ask({"image": JPEG}, instance=FakeInstance(wild))
    assert answer.code == 500
    assert "`detection_boxes`" in answer.error_msg


def crowd(item, run):
    """More than fits into a short answer."""
    return Detections(np.zeros((500, 4), np.float32), np.ones(500), np.zeros(500, int), ["a"])


@pytest.mark.parametrize(("name", "seconds"), [("object-detection", 60), ("text-vectorization", 60)])
def test_time_is_short_for_pictures_and_texts(name, seconds):
    assert RequestSettings().timeout_of(service(name)) == seconds


@pytest.mark.parametrize("name", ["music-detection", "video-highlight"])
def test_time_is_long_for_recordings_and_videos(name):
    assert RequestSettings().timeout_of(service(name)) == 3600
    assert RequestSettings(media_timeout_s="2h").timeout_of(service(name)) == 7200


def test_a_plugin_that_fails_is_500_and_one_that_is_slow_checks_the_deadline():
    def broken(item, run):
        raise InferenceError("the runtime failed")

    def slow(item, run):
        time.sleep(0.02)
        run.check()

    assert ask({"image": JPEG}, instance=FakeInstance(broken)).code == 500
    assert ask({"image": JPEG, "timeout_s": 0.01}, instance=FakeInstance(slow)).code == 504


def test_a_defect_of_the_host_is_an_answer_too():
    def defect(item, run):
        raise KeyError("a secret detail")

    answer = ask({"image": JPEG}, instance=FakeInstance(defect))
    assert answer.code == 500
    assert "secret" not in answer.error_msg


def test_an_answer_over_the_limit_is_413_and_names_it():
    answer = ask({"image": JPEG}, instance=FakeInstance(crowd), max_answer_bytes=1000)
    assert answer.code == 413
    assert "max_answer_bytes" in answer.error_msg
    assert "`max_detections`" in answer.error_msg, "and the option that makes it shorter"


def test_only_who_wants_it_gets_something_to_draw():
    """What can draw holds the picture: nobody else may keep it."""
    assert ask({"image": JPEG}).raw.draw is None
    drawing = ask({"image": JPEG}, wants_drawing=True).raw.draw()
    assert drawing.shape[2] == 3
    assert drawing.std() > 1, "the picture was of one colour"
    assert ask({"image": JPEG, "imgae": 1}, wants_drawing=True).raw.draw is None


def test_too_many_bytes_and_pixels():
    assert ask({"image": JPEG}, picture=PictureLimits(max_bytes=100)).code == 413
    assert ask({"image": JPEG}, picture=PictureLimits(max_pixels=100)).code == 413


def test_the_queue_refuses_and_answers_what_it_took():
    queue = RequestQueue(table_with(FakeInstance()), RequestSettings(max_waiting=3), 2, Counters())
    answers = []
    body = orjson.dumps({"image": JPEG})
    refused = 0
    for _ in range(10):
        try:
            queue.submit(RequestJob("object-detection", body, time.monotonic(), answers.append))
        except QueueFull:
            refused += 1
    assert (refused, queue.queued()) == (7, {**NOBODY, "requests": 3})
    queue.start()
    ends_at = time.monotonic() + 60
    while len(answers) < 3 and time.monotonic() < ends_at:
        time.sleep(0.005)
    queue.stop()
    assert [a.code for a in answers] == [200] * 3


# --- pictures by URL


@pytest.fixture
def shop():
    """A web server with a picture; other paths drip until the test calls `release`."""
    picture, released = pybase64.b64decode(JPEG), threading.Event()

    def answer(path):
        if path != "/picture":
            yield from dripping(b"HTTP/1.1 200 OK\r\nX: ", until=released.is_set)
            yield b"\r\n\r\n" + picture
        else:
            yield ok(picture)

    with Stranger(answer) as started:
        yield SimpleNamespace(url=started.url, port=started.port, asked=started.asked, release=released.set)


def allowing(shop, **more):
    return FetchSettings.model_validate({"ports": [shop.port], "allow_networks": ["127.0.0.1/32"], **more})


def by_url(url):
    return {"input": {"url": url}}


def test_a_picture_by_url_and_by_path(shop, tmp_path):
    fetch = allowing(shop, folders=[tmp_path])
    (tmp_path / "x.jpg").write_bytes(pybase64.b64decode(JPEG))
    for url in f"{shop.url}/picture", f"{tmp_path}/x.jpg", f"file://{tmp_path}/x.jpg":
        answer = ask(by_url(url), fetch=fetch)
        assert (answer.code, answer.detection_boxes) == (200, [[0.0, 0.0, 40.0, 60.0]])


@pytest.mark.parametrize(
    ("url", "code", "says"),
    [
        ("http://169.254.169.254/latest/meta-data", 403, "requests.fetch.allow_networks"),
        ("http://user:s3cret@127.0.0.1/t0ken", 403, "requests.fetch.allow_hosts"),
        ("file:///etc/passwd", 403, "requests.fetch.folders"),
        ("/etc/passwd", 403, "requests.fetch.folders"),
        ("s3://user:s3cret@bucket/t0ken", 403, "requests.fetch.schemes"),
        ("http://", 400, "names no host"),
        ("http://nobody.invalid/t0ken", 404, "nobody.invalid"),
    ],
)
def test_a_url_that_is_not_fetched(url, code, says, caplog):
    answer = ask(by_url(url))
    assert answer.code == code
    assert answer.error_msg.startswith("the field `input.url`: ")
    assert says in answer.error_msg
    for secret in "s3cret", "t0ken":
        assert secret not in answer.error_msg + caplog.text


def test_what_is_fetched_is_judged_like_what_is_sent(shop, tmp_path):
    fetch = allowing(shop, folders=[tmp_path])
    (tmp_path / "text").write_text("hello")
    text = ask(by_url(str(tmp_path / "text")), fetch=fetch)
    assert (text.code, text.error_msg[:23]) == (415, "the field `input.url`: ")
    large = ask(by_url(f"{shop.url}/picture"), fetch=fetch, picture=PictureLimits(max_bytes=100))
    assert large.code == 413
    assert "`requests.picture.max_bytes`" in large.error_msg
    assert ask(by_url(f"{shop.url}/picture"), fetch=fetch, picture=PictureLimits(max_pixels=9)).code == 413
    fetch = allowing(shop, timeout_s=0.2)
    assert "`requests.fetch.timeout_s`" in ask(by_url(f"{shop.url}/slow"), fetch=fetch).error_msg
    late = ask({**by_url(f"{shop.url}/slow"), "timeout_s": 0.1}, fetch=fetch)
    assert (late.code, "`timeout_s`" in late.error_msg) == (504, True)


@pytest.fixture
def running(shop):
    """Starts queues; all are stopped at the end."""
    made = []

    def make(**more):
        settings = RequestSettings(fetch=allowing(shop, **more), max_waiting=4)
        counters = Counters()
        made.append(RequestQueue(table_with(FakeInstance()), settings, 2, counters))
        made[-1].start()
        return made[-1], counters

    yield make
    for queue in made:
        queue.stop()


def submit(queue, body, answers):
    queue.submit(RequestJob("object-detection", orjson.dumps(body), time.monotonic(), answers.append))


def test_slow_servers_do_not_hold_up_who_brings_his_picture(shop, running):
    queue, counters = running(parallel=3, timeout_s=60)
    slow: list[Answer] = []
    quick: list[Answer] = []
    for _ in range(3):
        submit(queue, by_url(f"{shop.url}/slow"), slow)
    until(lambda: len(shop.asked) == 3, "all are being fetched")
    submit(queue, by_url(f"{shop.url}/picture"), slow)  # waits for its turn
    for n in range(20):
        submit(queue, {"image": JPEG}, quick)
        until(lambda n=n: len(quick) > n, "an answer meanwhile")  # type: ignore[misc]
    assert [answer.code for answer in quick] == [200] * 20
    assert not slow, "still being fetched"
    shop.release()
    until(lambda: len(slow) == 4, "the slow ones are answered too")
    assert counters.counts()["requests/object-detection"] == {"200": 24}
    assert counters.percentiles()["fetch"][1] > 0


def test_the_lane_of_fetches_is_bounded_and_each_request_is_answered_once(shop, running):
    queue, _ = running(parallel=1, timeout_s=60)
    answers: list[Answer] = []
    submit(queue, by_url(f"{shop.url}/slow"), answers)
    until(lambda: len(shop.asked) == 1, "the first is being fetched")
    for _ in range(4):
        submit(queue, by_url(f"{shop.url}/slow"), answers)
    until(lambda: queue.queued()["fetches"] == 4, "the others wait")
    for _ in range(2):
        submit(queue, by_url(f"{shop.url}/slow"), answers)
    until(lambda: len(answers) == 2, "there is no room")
    assert [answer.code for answer in answers] == [429] * 2
    shop.release()
    until(lambda: len(answers) == 7, "all are answered")
    assert [answer.code for answer in answers[2:]] == [200] * 5
    assert queue.queued() == NOBODY
