"""A client that was written for the original: what it may ask, and what it notices of the answers."""

import json
import re
import time
import wave
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import orjson
import pybase64
import pytest
import yaml
from jsonschema import Draft202012Validator

from docs.services import differences
from edged.answers.schema import answer_schema
from edged.contracts.message import FailedAnswer, ModelFacts
from edged.contracts.parts import VoiceActivity
from edged.contracts.request import RequestJob
from edged.contracts.services import SERVICES
from edged.flow.counters import Counters
from edged.media.policy import FetchSettings
from edged.media.sound import RATE
from edged.ops.clips import WINDOW
from edged.requests.call import Call
from edged.requests.queue import RequestQueue
from edged.requests.settings import RequestSettings
from edged.requests.steps import Steps
from edged.serving.table import Served, ServiceTable
from edged.serving.voice import VOICE
from tests.answers.examples import HEIGHT, RESULTS, SCENES, SHELVES, WIDTH, finding, options_of, written
from tests.http.conftest import JPEG, Box

FORMS = yaml.safe_load((Path(__file__).parent.parent / "forms.yaml").read_text("utf-8"))
REQUESTS = [
    pytest.param(name, n, id=f"{name}-{n}")
    for name, form in FORMS.items()
    for n in range(len(form["requests"]))
]
VIDEO = {name for name, known in SERVICES.items() if known.group == "video"}
ANSWERED = [case for case in REQUESTS if case.values[0] not in VIDEO]
"""Whoever brings the model of a video service removes it here."""
PICTURE = pybase64.b64encode_as_string(JPEG)
FACTS = ModelFacts(name="fake", variant="onnxruntime-f32", device="cpu")
NAMED = {"class_probs", "product_count"}
"""Fields that are maps by names that a client cannot know."""


class Voice:
    """Nobody speaks."""

    def start(self):
        return None

    def step(self, clip, state, run):
        return VoiceActivity(np.zeros(-(-len(clip.samples) // WINDOW), np.float32)), state


def instance(name):
    """Answers the example of a service, of a recording clip by clip."""

    def infer(item, options, run, priority):
        result = RESULTS[name](2)
        if not SERVICES[name].takes_sound:
            return result
        clips = [clip for _, clip in result.results]
        return clips[min(len(clips) - 1, item.start_us // 10_000_000)]

    def infer_all(items, *given):
        return [infer(item, *given) for item in items]

    heard = {"uses": VOICE.__eq__, "used": lambda *_: Voice(), "together": 2, "infer_all": infer_all}
    return SimpleNamespace(infer=infer, facts=FACTS, picture=None, **heard)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the media lie."""
    place = tmp_path_factory.mktemp("media")
    (place / "a.jpg").write_bytes(JPEG)
    with wave.open(str(place / "a.wav"), "wb") as out:
        out.setparams((1, 2, RATE, 0, "NONE", ""))
        out.writeframes(b"\0\0" * 45 * RATE)
    return place


@pytest.fixture(scope="module")
def settings(folder):
    return RequestSettings(fetch=FetchSettings(folders=(folder,)))


@pytest.fixture(scope="module")
def box(settings):
    """All services but video, over HTTP: only the models are faked."""
    made = Box()
    for name, known in SERVICES.items():
        if name not in VIDEO:
            made.table.put(Served(known, instance(name), options_of(name)))
    queue = RequestQueue(made.table, settings, 2, made.counters)
    queue.start()
    yield made.start(intake=queue)
    made.stop()
    queue.stop()


@pytest.fixture(scope="module")
def answer_to(box, folder):
    """What is answered to a request of the original, as JSON; each is asked once."""

    @cache
    def asked(name, n):
        answer = box.post(f"/api/predict/{name}", orjson.dumps(filled(FORMS[name]["requests"][n], folder)))
        assert answer.code == 200, answer.body
        assert answer.headers["X-Model"] == "fake"
        assert answer.headers["X-Request-Id"]
        return answer.json

    return asked


@pytest.fixture
def ours(answer_to):
    """Our answer to the nth request of a service."""
    return lambda name, n=0: orjson.loads(written(finding(name))) if name in VIDEO else answer_to(name, n)


def filled(form, folder, url=False):
    """The request with media in it: a URL within `input`, else Base64."""
    if isinstance(form, dict):
        return {key: filled(value, folder, key == "url") for key, value in form.items()}
    if form == "recording":
        return str(folder / "a.wav")
    if form == "picture":
        return f"file://{folder / 'a.jpg'}" if url else PICTURE
    return form


def test_every_service_has_its_form():
    assert FORMS.keys() == SERVICES.keys()


@pytest.mark.parametrize(("name", "n"), REQUESTS)
def test_a_request_of_the_original_fits_the_published_schema(name, n, folder):
    request = filled(FORMS[name]["requests"][n], folder)
    Draft202012Validator(SERVICES[name].request_schema()).validate(request)


@pytest.mark.parametrize(("name", "n"), ANSWERED)
def test_it_is_answered_as_the_published_schema_says(name, n, answer_to):
    Draft202012Validator(answer_schema(SERVICES[name])).validate(answer_to(name, n))


@pytest.mark.parametrize(("name", "n"), [case for case in REQUESTS if case.values[0] in VIDEO])
def test_one_of_a_video_is_read_and_its_video_fetched(name, n, folder, settings):
    body = orjson.dumps(filled(FORMS[name]["requests"][n], folder))
    table = ServiceTable()
    table.put(Served(SERVICES[name], instance(name), options_of(name)))
    job = RequestJob(name, body, time.monotonic(), print)
    with Steps(table, settings, Counters()) as steps:
        call = Call(job, steps.deadline_of(job))
        steps.read(call)
        steps.open(call)
        try:
            steps.fetch(call)
            assert call.held
        finally:
            call.close()


@pytest.mark.parametrize("name", ["speech-recognition-zh", "speaker-classification-zh", "music-detection"])
def test_only_the_duration_is_heard_in_digits_as_in_a_number(name, answer_to):
    digits, number, whole = (answer_to(name, n) for n in range(3))
    assert digits == number
    assert digits.items() <= whole.items()


def shape(value, name=""):
    """What a client relies on: names, types, nesting, the odd strings."""
    if isinstance(value, dict):
        if name in NAMED:
            return {"<name>": shape(next(iter(value.values())))}
        return {"<start>" if key.isdigit() else key: shape(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])]
    return word(value) if isinstance(value, str) else type(value).__name__


def word(text):
    """What kind of string it is."""
    kinds = {
        "label": r'\{"class":"[^"]+"\}\n',
        "number": r"-?\d+\.\d+",
        "vector": r"(-?[\d.e-]+,)+-?[\d.e-]+",
        "vectors": r"(-?[\d.e,-]+;)+-?[\d.e,-]+",
    }
    return next((kind for kind, pattern in kinds.items() if re.fullmatch(pattern, text)), "text")


def answer_faults(theirs, found, path):
    """Where the shapes of two answers differ."""
    if isinstance(theirs, dict) and isinstance(found, dict):
        yield from ((f"{path}.{key}", "absent") for key in theirs.keys() - found.keys())
        yield from ((f"{path}.{key}", "added") for key in found.keys() - theirs.keys())
        for key in theirs.keys() & found.keys():
            yield from answer_faults(theirs[key], found[key], f"{path}.{key}")
    elif isinstance(theirs, list) and isinstance(found, list):
        yield from answer_faults(theirs[0], found[0], path)
    elif theirs != found:
        yield path, "other"


def request_faults(schema, form, of, path="request", root=None):
    """What a request may have that the original's never has, and what may be left out of it."""
    root = root or schema
    for name, body in schema["properties"].items():
        options = [body, *body.get("anyOf", [])]
        inner = next((root["$defs"][o["$ref"].rsplit("/")[-1]] for o in options if "$ref" in o), None)
        if all(name not in request for request in form):
            known = name in of.options.model_fields and path == "request"
            yield f"{path}.{'options' if known else name}", "added"
        else:
            if all(name in request for request in form) and name not in schema.get("required", []):
                yield f"{path}.{name}", "optional"
            if inner and "properties" in inner:
                yield from request_faults(inner, [r[name] for r in form], of, f"{path}.{name}", root)


@pytest.mark.parametrize("name", FORMS)
def test_what_differs_is_listed_and_what_is_listed_differs(name, ours):
    of, form = SERVICES[name], FORMS[name]
    found = set(request_faults(of.request_schema(), form["requests"], of))
    found |= {(f"failure.{f}", "added") for f in of.failure.model_fields.keys() - set(form["failure"])}
    assert not set(form["failure"]) - of.failure.model_fields.keys()
    for n, theirs in enumerate(form["answers"]):
        found |= set(answer_faults(shape(theirs), shape(ours(name, n)), "answer"))
    listed = {pair for entry in differences(name) for pair in entry.fields.items()}
    assert {pair for pair in listed if pair[1] != "meaning"} == found


def classes_of(answer):
    return {json.loads(value)["class"] for value in answer.values()}


MEANINGS = {
    ("video-classification", "answer.class"): lambda a: a["taxonomy"] in {"ucf101", "kinetics400"},
    ("instance-segmentation", "answer.detection_masks"): lambda a: all(
        sum(mask["counts"]) == HEIGHT * WIDTH for mask in a["detection_masks"]
    ),
    ("ocr", "answer.detection_texts_ids"): lambda a: [*map(len, a["detection_texts_ids"])] == [4, 4],
    ("scene-classification", "answer.class_probs"): lambda a: set(a["class_probs"]) == set(SCENES),
    ("inventory-counting", "answer.detection_boxes"): lambda a: (
        a["detection_boxes"][0] == [10, 4, 50.25, 20.5]
    ),
    ("inventory-counting", "answer.detection_class_names"): lambda a: (
        a["detection_class_names"] == [SHELVES[number] for number in a["detection_classes"]]
    ),
    ("speech-recognition-zh", "answer.<start>"): lambda a: not any(t.startswith(";") for t in a.values()),
    ("speaker-classification-zh", "answer.<start>"): lambda a: classes_of(a) <= {"女", "男", "无"},
    ("speech-detection-zh", "answer.<start>"): lambda a: classes_of(a) <= {"是", "否"},
    ("music-detection", "answer.<start>"): lambda a: classes_of(a) <= {"是", "否"},
    ("text-vectorization", "answer.all_hidden_outputs"): lambda a: a["all_hidden_outputs"].startswith(
        a["first_token_output"] + ";"
    ),
    ("face-attributes", "answer.face_emo"): lambda a: not any("," in word for word in a["face_emo"]),
}
"""That a value means what is listed."""


def test_every_other_meaning_is_checked():
    listed = {
        (name, field)
        for name in SERVICES
        for entry in differences(name)
        for field, kind in entry.fields.items()
        if kind == "meaning"
    }
    assert listed == MEANINGS.keys()


@pytest.mark.parametrize(("name", "field"), MEANINGS)
def test_a_value_means_what_is_listed(name, field, ours):
    assert MEANINGS[name, field](ours(name))


@pytest.mark.parametrize("name", FORMS)
def test_a_failed_request_has_the_form_of_its_service(name, box):
    answer = box.post(f"/api/predict/{name}", {"request_id": "mine", "no such field": 1})
    assert answer.code == 400
    said = SERVICES[name].failure.model_validate(answer.json)
    assert answer.headers["X-Request-Id"] == said.request_id == "mine"
    if name in VIDEO:
        assert (answer.json["oss_path"], answer.json["result"]) == ("", said.error_msg)
    else:
        assert answer.json.keys() == FailedAnswer.model_fields.keys()


def test_a_token_that_is_missing_is_said_in_the_form_of_the_service(guarded):
    answer = guarded.post("/api/predict/video-highlight", {})
    assert (answer.code, answer.json["result"]) == (401, answer.json["error_msg"])
