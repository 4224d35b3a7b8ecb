"""Every service through every encoding, every rule of what is told, and every drawing."""

import itertools
import re
from functools import cache
from importlib import import_module
from typing import Literal, get_args, get_origin

import numpy as np
import orjson
import pytest
from jsonschema import Draft202012Validator

from edged.answers.kind import State
from edged.answers.kinds import KINDS
from edged.answers.schema import answer_schema, message_schema
from edged.contracts.errors import NotUsable
from edged.contracts.services import ASKED, SERVICES
from edged.streams.rule import SETTLE_S, PublishSettings, Rule
from tests.answers.examples import LAST, RESULTS, finding, options_of, picture, written

NAMES = sorted(SERVICES)
SIZES = ("model", "input", (7, 90), (1, 1))
NO_VECTOR = {"speech-vectorization-zh", "speech-vectorization-en"}
"""Services that refuse to answer to silence."""
SILENT = NO_VECTOR | {"speech-recognition-zh", "speech-recognition-zh-live", "speaker-classification-zh"}
"""Services that tell nothing of silence."""
YES_OR_NO = {"foreground-segmentation", "speech-detection-zh", "music-detection"}
"""Services of which two results at most are events: nobody and somebody, no and yes."""
NEWS = {
    "video-highlight",
    "video-super-resolution",
    "image-similarity",
    "image-colorization",
    "text-vectorization",
    "face-similarity",
    "product-comparison",
    *NO_VECTOR,
}
"""Services whose results cannot be compared."""


def words(annotation):
    """What a field may be that is a word, or yes and no."""
    if annotation is bool:
        return [False, True]
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    return [word for inner in get_args(annotation) for word in words(inner)]


def encodings(name):
    """Every combination of the words of a service's options."""
    fields = type(options_of(name)).model_fields
    choices = {field: words(known.annotation) for field, known in fields.items()}
    choices |= {"output_size": SIZES} if "output_size" in choices else {}
    choices = {field: values for field, values in choices.items() if values}
    return [dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())]


CASES = [
    pytest.param(name, options, id=f"{name}-{'-'.join(map(str, options.values()))}")
    for name in NAMES
    for options in encodings(name)
]


@cache
def validators(name):
    """Of the answer, and of a stream's message."""
    schemas = answer_schema(SERVICES[name]), message_schema(SERVICES[name])
    for schema in schemas:
        Draft202012Validator.check_schema(schema)
    return tuple(map(Draft202012Validator, schemas))


def test_there_is_an_example_of_every_service():
    assert sorted(RESULTS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_kind_of_result_has_a_file_of_its_own(name):
    result = SERVICES[name].result
    module = import_module("edged.answers." + re.sub(r"(?<!^)(?=[A-Z])", "_", result.__name__).lower())
    assert module.KIND.result is result
    assert KINDS[result] is module.KIND


def test_no_kind_is_left_over():
    assert KINDS.keys() == {service.result for service in ASKED.values()}


@pytest.mark.parametrize(("name", "options"), CASES)
def test_an_answer_fits_its_schema_in_every_encoding(name, options):
    of = SERVICES[name]
    answers, messages = validators(name)
    for n in (1 if name in NO_VECTOR else 0, LAST):
        answer = orjson.loads(written(finding(name, n, **options)))
        answers.validate({"request_id": "a", "success": True, **answer} if of.wraps_answer else answer)
        messages.validate(
            {
                "schema": of.schema_id,
                "node": "box",
                "stream": "door",
                "seq": 0,
                "captured_at": "2026-11-22T08:30:00.123456Z",
                "latency_ms": 1.5,
                "model": {"name": "small", "variant": "onnxruntime-f32", "device": "cpu"},
                "result": answer,
            }
        )


@pytest.mark.parametrize("name", sorted(NO_VECTOR))
def test_of_silence_there_is_no_vector(name):
    with pytest.raises(NotUsable, match="nobody speaks"):
        finding(name, 0).answer()


def told(name, on, numbers, **options):
    """Which of these results are told that come every ten seconds."""
    rule = Rule(PublishSettings(on=on), lambda reason: None)
    shown = []
    for step, n in enumerate(numbers):
        gist = finding(name, n, **options).gist()
        at_once, later = rule.offer(n, gist, 10.0 * step), rule.release(10.0 * step + SETTLE_S)
        shown += [n for n in (at_once, later) if n is not None]
    return shown


@pytest.mark.parametrize(("name", "options"), CASES)
def test_results_that_differ_are_told(name, options):
    numbers = list(range(LAST + 1))
    expected = numbers[1:] if name in SILENT else numbers
    assert told(name, "every", numbers, **options) == expected
    assert told(name, "change", numbers, **options) == (numbers[:2] if name in YES_OR_NO else expected)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_results_that_say_the_same_are_told_once_where_they_can_be_compared(name, options):
    assert told(name, "change", [2, 2, 2], **options) == ([2, 2, 2] if name in NEWS else [2])


@pytest.mark.parametrize("name", NAMES)
def test_silence_alone_is_silent(name):
    assert (finding(name, 0).gist() is State.SILENT) is (name in SILENT)
    assert finding(name, 1).gist() is not State.SILENT


FIXED = {
    "video-classification",
    "video-super-resolution",
    "image-classification",
    "scene-classification",
    "image-similarity",
    "speech-vectorization-zh",
    "speech-vectorization-en",
    "face-similarity",
    "product-comparison",
}
"""Services whose answers are as long whatever is asked."""


@pytest.mark.parametrize("name", NAMES)
def test_what_makes_an_answer_shorter_is_a_field_of_the_request(name):
    of = SERVICES[name]
    named = {word.partition(":")[0] for word in re.findall("`(.+?)`", KINDS[of.result].shrink)}
    known = {*of.request.model_fields, *({"play_duration"} if of.takes_sound else ())}
    assert named == {"requests.max_answer_bytes"} if name in FIXED else named <= known


DRAWN = [case for case in CASES if SERVICES[case.values[0]].takes_pictures]


@pytest.mark.parametrize(("name", "options"), DRAWN)
def test_a_drawing_is_a_new_picture_that_shows_what_was_found_in_every_encoding(name, options):
    pictures = [picture()] * (2 if SERVICES[name].media == "pictures" else 1)
    drawings = [finding(name, n, **options).drawn(pictures) for n in range(LAST + 1)]
    shown = {"metric": options["metric"]} if "metric" in options else {}
    for n, drawing in enumerate(drawings):
        assert drawing.dtype == np.uint8
        assert drawing.shape[2:] == (3,)
        np.testing.assert_array_equal(drawing, finding(name, n, **shown).drawn(pictures))
    assert len({drawing.tobytes() for drawing in drawings}) == LAST + 1, "each shows another result"
    np.testing.assert_array_equal(pictures[0], picture())


@pytest.mark.parametrize("name", [n for n in NAMES if SERVICES[n].media in ("recording", "text")])
def test_what_is_heard_or_read_is_not_drawn(name):
    assert KINDS[SERVICES[name].result].draw is None
    bgr = picture()
    assert finding(name).drawn([bgr]) is bgr


OBJECTS = {f"detection_{field}": [] for field in ("boxes", "scores", "classes", "class_names")}
TEXTS = {f"detection_{field}": [] for field in ("keypoints", "texts", "texts_ids", "texts_scores")}
NOTHING = {
    "object-detection": OBJECTS,
    "instance-segmentation": {**OBJECTS, "detection_masks": []},
    "inventory-counting": {**OBJECTS, "product_count": {}, "ori_img_shape": [60, 80]},
    "ocr": {**OBJECTS, **TEXTS},
    "foreground-segmentation": {"human_ratio": "0.000000", "mask": [[0] * 8] * 6},
    "face-attributes": {f"face_{field}": [] for field in ("age", "gender", "emo", "bbox")},
    "speech-recognition-zh": {"0": ""},
    "speech-recognition-zh-live": {"0": ""},
    "speaker-classification-zh": {"0": '{"class":"无"}\n'},
    "speech-detection-zh": {"0": '{"class":"否"}\n'},
    "music-detection": {"0": '{"class":"否"}\n'},
}


@pytest.mark.parametrize(("name", "answer"), NOTHING.items())
def test_the_answer_where_there_is_nothing(name, answer):
    assert orjson.loads(written(finding(name, 0))) == answer
