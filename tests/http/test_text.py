"""text-vectorization over HTTP: the real queue, route and model."""

import numpy as np
import orjson
import pytest
from jsonschema import Draft202012Validator

from edged.answers.schema import answer_schema
from edged.contracts.message import FailedAnswer
from edged.contracts.services import service
from edged.contracts.text import MOST_CHARACTERS, TextOptions
from edged.serving.table import Served
from tests.http.conftest import Box, queued

PATH = "/api/predict/text-vectorization"
ASKED = {"id": "7", "first_sequence": "如何重置路由器密码"}
NAMED = service("text-vectorization")


@pytest.fixture(scope="module")
def site(instance_of):
    box = Box()
    box.table.put(Served(NAMED, instance_of("bge-small-zh"), TextOptions(padded=False)))
    with queued(box):
        yield box


def table(text):
    return np.array([[float(one) for one in row.split(",")] for row in text.split(";")])


def test_the_answer_is_not_wrapped_and_its_request_id_stands_in_a_header(site):
    answer = site.post(PATH, {**ASKED, "request_id": "mine"})
    assert (answer.code, answer.headers["X-Request-Id"], answer.headers["X-Model"]) == (
        200,
        "mine",
        "bge-small-zh",
    )
    Draft202012Validator(answer_schema(NAMED)).validate(answer.json)
    assert set(answer.json) == {"id", "pool_output", "first_token_output", "all_hidden_outputs", "dimension"}
    assert (answer.json["id"], answer.json["dimension"]) == ("7", 512)
    states = table(answer.json["all_hidden_outputs"])
    assert states.shape == (len(ASKED["first_sequence"]) + 2, 512)
    assert np.array_equal(table(answer.json["first_token_output"]), states[:1])


def test_a_pair_is_one_vector_more_and_an_empty_second_text_is_none(site):
    alone = site.post(PATH, ASKED).json
    assert site.post(PATH, {**ASKED, "second_sequence": ""}).json == alone
    pair = site.post(PATH, {**ASKED, "second_sequence": "密码"}).json
    assert len(table(pair["all_hidden_outputs"])) == len(table(alone["all_hidden_outputs"])) + 3


def test_cut_and_padded(site):
    cut = site.post(PATH, {**ASKED, "sequence_length": 5}).json
    assert (cut["truncated"], len(table(cut["all_hidden_outputs"]))) == (True, 5)
    padded = site.post(PATH, {**ASKED, "sequence_length": 40, "padded": True}).json
    assert "truncated" not in padded
    assert len(table(padded["all_hidden_outputs"])) == 40


@pytest.mark.parametrize("text", ["😀👨‍👩‍👧", "天" * MOST_CHARACTERS, "[CLS][SEP]", "\u0000", "e\u0301"])
def test_any_text(site, text):
    answer = site.post(PATH, {**ASKED, "first_sequence": text})
    assert answer.code == 200
    assert len(table(answer.json["all_hidden_outputs"])) <= 512


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"first_sequence": ""}, "`first_sequence`"),
        ({"first_sequence": " \t\u3000"}, "`first_sequence` is wrong: must hold more than spaces"),
        ({"first_sequence": ["a"]}, "`first_sequence`"),
        ({"first_sequence": "a" * (MOST_CHARACTERS + 1)}, "at most 100000 characters"),
        ({"second_sequence": "a" * (MOST_CHARACTERS + 1)}, "`second_sequence`"),
        ({"second_sequence": None}, "`second_sequence`"),
        ({"sequence_length": 2}, "`sequence_length` is wrong: must be at least 3"),
        ({"sequence_length": 513}, "`sequence_length` is wrong: must be at most 512"),
        ({"id": 7}, "`id`"),
        ({"text": "a"}, "`text` is unknown"),
    ],
)
def test_what_is_wrong_is_named(site, fields, says):
    refused = site.post(PATH, {**ASKED, **fields})
    assert refused.code == 400
    assert says in FailedAnswer.model_validate(refused.json).error_msg


@pytest.mark.parametrize("text", [b"\\ud800", b"a\\udc00b", b"\xed\xa0\x80", b"\xff"])
def test_half_a_character_is_no_json(site, text):
    refused = site.post(PATH, b'{"id": "7", "first_sequence": "%s"}' % text)
    assert (refused.code, "not JSON" in refused.json["error_msg"]) == (400, True)


def test_there_is_nothing_to_draw_into(site):
    alone = site.post(PATH, ASKED)
    both = site.post(f"{PATH}?drawing=true", ASKED)
    assert both.code == 200
    assert both.json["answer"] == alone.json
    assert (both.json["drawing"], "no picture" in both.json["why_not"]) == (None, True)


def test_the_example_of_the_document_is_answered(site):
    operation = site.get("/openapi.json").json["paths"][PATH]["post"]
    (example,) = operation["requestBody"]["content"]["application/json"]["examples"].values()
    assert site.post(PATH, orjson.dumps(example["value"])).code == 200
