"""An answer drawn into its picture: whatever the answer is, no request is a 500."""

import cv2
import numpy as np
import orjson
import pybase64
import pytest

from edged.contracts.errors import RequestError
from edged.http.annotate import MOST_ENTRIES, annotated
from edged.media.picture import PictureLimits
from tests.http.conftest import JPEG

IMAGE = pybase64.b64encode_as_string(JPEG)
PATH = "/api/annotate/object-detection"
DETECTED = {
    "request_id": "r-1",
    "success": True,
    "detection_boxes": [[5.0, 5.0, 30.0, 50.0]],
    "detection_scores": [0.9],
    "detection_classes": [0],
    "detection_class_names": ["person"],
}


def with_(**fields):
    return {**DETECTED, **fields}


def test_the_drawing(shared):
    answer = shared.post(PATH, {"image": IMAGE, "answer": DETECTED})
    assert (answer.code, answer.headers["Content-Type"]) == (200, "image/jpeg")
    drawn = cv2.imdecode(np.frombuffer(answer.body, np.uint8), cv2.IMREAD_COLOR)
    assert drawn.std() > 5, "the picture was of one colour"


def test_a_classification(shared):
    answer = {"class": 1, "class_name": "cat", "class_probs": {"dog": 0.1, "cat": 0.9}}
    assert shared.post("/api/annotate/image-classification", {"image": IMAGE, "answer": answer}).code == 200


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"detection_boxes": []},
        with_(detection_boxes=[[1, 2, 3]]),
        with_(detection_boxes=[[1, 2, 3, 4, 5]]),
        with_(detection_boxes=[]),
        with_(detection_boxes=[["a", 2, 3, 4]]),
        with_(detection_boxes=[[1e300, -1e300, 1e300, 1e300]]),
        with_(detection_boxes=None),
        with_(detection_boxes=orjson.loads(b"[" * 200 + b"]" * 200)),
        with_(detection_boxes="abcd"),
        with_(detection_scores=[1e308]),
        with_(detection_scores=[]),
        with_(detection_class_names=[5]),
        with_(detection_class_names=[]),
        with_(detection_class_names=["x" * 100_000]),
        with_(detection_class_names=["\u0000门"], detection_boxes=[[0, 0, 0, 0]]),
        {k: v * (MOST_ENTRIES + 1) if isinstance(v, list) else v for k, v in DETECTED.items()},
    ],
)
def test_an_answer_that_is_none_is_422_or_drawn(answer):
    body = orjson.dumps({"image": IMAGE, "answer": answer})
    try:
        assert annotated("object-detection", body, PictureLimits())[:2] == b"\xff\xd8"
        assert all(len(box) == 4 for box in answer["detection_boxes"])
    except RequestError as error:
        assert error.code == 422
        assert "`answer`" in str(error)
        assert len(str(error)) < 300


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        (PATH, b"{", 400),
        (PATH, [], 400),
        (PATH, {"image": IMAGE}, 400),
        (PATH, {"image": 5, "answer": DETECTED}, 400),
        (PATH, {"image": IMAGE, "answer": []}, 400),
        (PATH, {"image": IMAGE, "answer": DETECTED, "more": 1}, 400),
        (PATH, {"image": "%%%", "answer": DETECTED}, 400),
        (PATH, {"image": "aGVsbG8=", "answer": DETECTED}, 415),
        (PATH, {"image": IMAGE, "answer": {}}, 422),
        ("/api/annotate/objct-detection", {"image": IMAGE, "answer": {}}, 404),
    ],
)
def test_what_cannot_be_drawn(shared, path, body, code):
    answer = shared.post(path, body)
    assert (answer.code, answer.json["error_code"]) == (code, code)


def test_a_picture_over_the_limits(box):
    box.start(picture=PictureLimits(max_pixels=100))
    assert box.post(PATH, {"image": IMAGE, "answer": DETECTED}).code == 413
