"""Requests with two pictures, options that stand within the input, and a field in two spellings."""

import time
from types import SimpleNamespace

import cv2
import numpy as np
import orjson
import pybase64
import pytest

from edged.contracts.face import FaceOptions, FaceSimilarity
from edged.contracts.image import DetectionOptions, Detections
from edged.contracts.items import FramePair
from edged.contracts.message import ModelFacts
from edged.contracts.pairs import ComparisonOptions, ProductMatch
from edged.contracts.request import RequestJob
from edged.contracts.services import service
from edged.flow.counters import Counters
from edged.media.picture import PictureLimits
from edged.requests.settings import RequestSettings
from edged.requests.steps import Steps
from edged.serving.table import Served, ServiceTable

FACTS = ModelFacts(name="fake", variant="onnxruntime-f32", device="cpu")


def jpeg(width, height):
    return pybase64.b64encode_as_string(cv2.imencode(".jpg", np.full((height, width, 3), 90, np.uint8))[1])


SMALL, WIDE = jpeg(40, 30), jpeg(300, 20)


def sizes(item, options, run, priority):
    """Answers the widths of both pictures, as one number."""
    assert isinstance(item, FramePair)
    return FaceSimilarity(item.a.width * 1000 + item.b.width)


def half_alike(item, options, run, priority):
    return ProductMatch(0.5)


def answered(name, body, infer=sizes, options=None, *, pai_spelling=False, wants_drawing=False, **settings):
    table = ServiceTable()
    instance = SimpleNamespace(infer=infer, facts=FACTS, picture=None)
    table.put(Served(service(name), instance, options or FaceOptions(score_threshold=0.5), pai_spelling))
    job = RequestJob(name, orjson.dumps(body), time.monotonic(), print, wants_drawing=wants_drawing)
    with Steps(table, RequestSettings(**settings), Counters()) as steps:
        return steps.all_at_once(job)


def ask(*args, **more):
    return orjson.loads(answered(*args, **more).body)


def test_both_pictures_arrive_in_their_order():
    assert ask("face-similarity", {"imagea": SMALL, "imageb": WIDE})["similarity"] == 40_300


@pytest.mark.parametrize(
    ("body", "code", "sentence"),
    [
        ({"imagea": SMALL}, 400, "the field `imageb` is missing"),
        ({"image": SMALL}, 400, "the field `imagea` is missing"),
        ({"imagea": SMALL, "imageb": "%%%"}, 400, "the field `imageb`"),
        ({"imagea": "aGVsbG8=", "imageb": SMALL}, 415, "the field `imagea`"),
        ({"imagea": SMALL, "imageb": "aGVsbG8="}, 415, "the field `imageb`"),
        ({"imagea": SMALL, "imageb": SMALL, "image": SMALL}, 400, "the field `image` is unknown"),
        ({"imagea": 5, "imageb": SMALL}, 400, "the field `imagea` is wrong"),
    ],
)
def test_a_wrong_picture_is_named(body, code, sentence):
    answer = ask("face-similarity", body)
    assert (answer["success"], answer["error_code"]) == (False, code)
    assert sentence in answer["error_msg"]


def test_each_picture_has_the_limit():
    answer = ask("face-similarity", {"imagea": SMALL, "imageb": WIDE}, picture=PictureLimits(max_pixels=2000))
    assert answer["error_code"] == 413
    assert "`imageb`" in answer["error_msg"]
    assert "limit of 2000 pixels" in answer["error_msg"]


def product(asked, **more):
    params = {"imagea": SMALL, "imageb": WIDE, "metric": asked, **more}
    body = {"function_name": "match", "function_params": params, "request_id": "r"}
    return ask("product-comparison", body, half_alike, ComparisonOptions(metric="L2"))


@pytest.mark.parametrize(
    ("asked", "fields"), [("L2", {"l2_distance": 1.0}), ("Cosine", {"cosine_similarity": 0.75})]
)
def test_the_request_names_the_metric(asked, fields):
    assert product(asked) == {"request_id": "r", "success": True, **fields}


def test_faults_within_the_parameters_are_named_with_their_place():
    assert "`function_params.metric`" in product("l2")["error_msg"]
    assert "`function_params.imagea`" in product("L2", imagea="aGVsbG8=")["error_msg"]
    answer = ask("product-comparison", {"function_name": "compare", "function_params": {}}, half_alike)
    assert "`function_name`" in answer["error_msg"]
    assert "`function_params.imagea` is missing" in answer["error_msg"]


def test_both_pictures_are_in_the_drawing():
    pair = {"imagea": SMALL, "imageb": jpeg(60, 30)}
    drawing = answered("face-similarity", pair, lambda *_: FaceSimilarity(93), wants_drawing=True).draw()
    height, width = drawing.shape[:2]
    assert width / height == pytest.approx(100 / 30, rel=0.2)
    assert drawing.std() > 1, "the pictures were of one colour"


@pytest.mark.parametrize("wanted", [True, False])
def test_the_spelling_of_the_originals_examples(wanted):
    def one(*_):
        return Detections(np.array([[0.0, 0.0, 1.0, 1.0]]), np.array([0.5]), np.array([0]), ["cat"])

    options = DetectionOptions(score_threshold=0.3, iou_threshold=0.5, max_detections=10)
    answer = ask("object-detection", {"image": SMALL}, one, options, pai_spelling=wanted)
    assert answer["detection_class_names"] == ["cat"]
    assert answer.get("detection_classe_names") == (["cat"] if wanted else None)
