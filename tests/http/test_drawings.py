"""An answer and its drawing in one response; nobody else waits for a drawing."""

import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice

import cv2
import numpy as np
import pybase64
import pytest
from jsonschema import Draft202012Validator

from edged.answers.drawing import jpeg_of
from edged.answers.finding import Finding
from edged.contracts.image import DetectionOptions, Detections
from edged.contracts.services import service
from edged.http.drawings import MOST_WAITING, DrawnAnswer
from edged.http.openapi import openapi
from edged.testing import frame_of
from tests.broker import until
from tests.http.conftest import JPEG

PATH = "/api/predict/object-detection"
DRAWN = f"{PATH}?drawing=true"
ASKED = {"image": pybase64.b64encode_as_string(JPEG), "request_id": "mine"}


def drawn_as(name, row):
    """The drawing of the one box that the fake model finds, if it were the only class of this name."""
    boxes = np.array([[0, 0, 60, 40]], np.float32)
    found = Detections(boxes, np.array([0.9], np.float32), np.array([row]), {row: name})
    options = DetectionOptions(score_threshold=0.3, iou_threshold=0.5, max_detections=10)
    picture = cv2.imdecode(np.frombuffer(JPEG, np.uint8), cv2.IMREAD_COLOR)
    return jpeg_of([frame_of(picture)], [Finding(service("object-detection"), found, options)])


def test_the_answer_and_its_drawing_come_in_one_response(real):
    alone, both = real.post(PATH, ASKED), real.post(DRAWN, ASKED)
    assert both.code == 200
    assert DrawnAnswer.model_validate(both.json)
    assert both.json["answer"] == alone.json
    assert both.json["why_not"] == ""
    for header in ("X-Request-Id", "X-Model", "Content-Type"):
        assert both.headers[header] == alone.headers[header]
    picture = cv2.imdecode(np.frombuffer(pybase64.b64decode(both.json["drawing"]), np.uint8), -1)
    assert picture.std() > 5, "the picture was of one colour"


def test_the_drawing_is_of_this_answer_and_names_what_it_shows(real):
    drawing = pybase64.b64decode(real.post(DRAWN, ASKED).json["drawing"])
    assert drawing == drawn_as("person", row=0) == drawn_as("person", row=12)
    assert drawing != drawn_as("class 0", row=0)


def test_both_forms_are_as_the_document_says(real):
    document = openapi("1")
    operation = document["paths"][PATH]["post"]
    assert [known["name"] for known in operation["parameters"]] == ["Prefer", "drawing"]
    said = operation["responses"]["200"]["content"]["application/json"]["schema"]
    schema = Draft202012Validator({**said, "components": document["components"]})
    schema.validate(real.post(PATH, ASKED).json)
    schema.validate(real.post(DRAWN, ASKED).json)


@pytest.mark.parametrize("query", ["?drawing=false", "?", "?other=1"])
def test_who_wants_no_drawing_gets_the_answer_alone(real, query):
    assert real.post(PATH + query, ASKED).json == real.post(PATH, ASKED).json


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        (PATH, b"{", 400),
        (PATH, {**ASKED, "imgae": 1}, 400),
        (PATH, {**ASKED, "image": "aGVsbG8="}, 415),
        ("/api/predict/objct-detection", ASKED, 404),
        ("/api/predict/ocr", ASKED, 404),
    ],
)
def test_a_failed_request_is_answered_as_without_a_drawing(real, path, body, code):
    alone, both = real.post(path, body), real.post(f"{path}?drawing=true", body)
    assert (alone.code, both.code) == (code, code)
    same = ("success", "error_code", "error_msg")
    assert [both.json[field] for field in same] == [alone.json[field] for field in same]
    assert both.json.keys() == alone.json.keys()
    assert both.headers["X-Request-Id"] == both.json["request_id"]


@pytest.mark.parametrize("word", ["maybe", "", "1", "True"])
def test_another_word_than_true_and_false_is_refused_by_name(box, word):
    refused = box.start().post(f"{PATH}?drawing={word}", ASKED)
    assert (refused.code, refused.json["error_code"]) == (400, 400)
    assert "`drawing`" in refused.json["error_msg"]
    assert repr(word) in refused.json["error_msg"]
    assert box.intake.jobs == []


def test_only_who_wants_it_makes_the_pipeline_keep_the_picture(box):
    box.start()
    box.post(PATH, ASKED)
    box.post(DRAWN, ASKED)
    assert [job.wants_drawing for job in box.intake.jobs] == [False, True]


def test_a_service_without_pictures_says_why_there_is_no_drawing(box):
    answer = box.start().post("/api/predict/music-detection?drawing=true", b"{}")
    assert answer.code == 200
    assert answer.json["answer"]["bytes"] == 2
    assert answer.json["drawing"] is None
    assert "no picture" in answer.json["why_not"]


def test_while_drawings_wait_everything_else_is_answered(box):
    """Six of them held `/metrics` and `/v2/health/ready` up for 16 s."""
    free, more = threading.Event(), 4

    def draw():
        assert free.wait(60)
        return np.zeros((20, 30, 3), np.uint8)

    box.start()
    box.intake.draw = draw
    others = ("/metrics", "/v2/health/ready", "/api/status", "/v2")
    before = [box.get(path).code for path in others]
    with ThreadPoolExecutor(MOST_WAITING + more) as pool:
        asked = [pool.submit(box.post, DRAWN, ASKED) for _ in range(MOST_WAITING + more)]
        try:
            refused = [done.result() for done in islice(as_completed(asked), more)]
            assert [box.get(path).code for path in others] == before
            assert box.post(PATH, ASKED).json["success"] is True
            assert sum(one.done() for one in asked) == more, "the others wait for their drawings"
        finally:
            free.set()
        answers = [one.result() for one in asked]
    assert [answer.code for answer in answers] == [200] * (MOST_WAITING + more)
    assert all(answer.json["answer"]["request_id"] == "r-1" for answer in answers)
    for answer in refused:
        assert answer.json["drawing"] is None
        assert f"{MOST_WAITING} drawings wait already" in answer.json["why_not"]
    assert sum(answer.json["drawing"] is not None for answer in answers) == MOST_WAITING
    assert box.counters.counts()["http_drawings_dropped"] == {"busy": more}


def test_nothing_is_drawn_for_who_has_left(box):
    drawn = []
    box.start()
    box.intake.draw = lambda: drawn.append(1)
    box.asked_and_left(DRAWN)
    box.intake.draw = lambda: np.zeros((20, 30, 3), np.uint8)
    assert box.post(DRAWN, ASKED).json["drawing"], "whatever was to be drawn before is done"
    assert drawn == []


def test_a_drawing_that_fails_costs_neither_the_answer_nor_its_place(box, caplog):
    box.start()
    box.intake.draw = lambda: 1 / 0
    for _ in range(MOST_WAITING + 1):
        answer = box.post(DRAWN, ASKED)
        assert (answer.code, answer.json["answer"]["success"], answer.json["drawing"]) == (200, True, None)
        assert "log" in answer.json["why_not"]
        assert "zero" not in answer.json["why_not"]
    assert "ZeroDivisionError" in caplog.text
    assert box.counters.counts()["http_drawings_dropped"] == {"failed": MOST_WAITING + 1}
    box.intake.draw = lambda: np.zeros((20, 30, 3), np.uint8)
    assert box.post(DRAWN, ASKED).json["drawing"]


def test_a_drawing_that_hangs_does_not_hold_the_end_up(box):
    free = threading.Event()
    box.start()
    box.intake.draw = free.wait
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(box.post, DRAWN, ASKED)
        try:
            until(lambda: box.unit._app._drawers._threads, "it is being drawn")
            box.unit.stop()
            assert not box.unit._thread.is_alive()
        finally:
            free.set()
        assert asked.exception() is not None
