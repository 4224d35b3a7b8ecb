"""`/v2/models/<model>/infer` over a small graph with known answers: its forms, and whatever can be wrong."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from types import SimpleNamespace

import numpy as np
import orjson
import pytest

from edged.contracts.errors import BadRequest, TooLarge
from edged.contracts.graph_input import TensorInput
from edged.contracts.slot import Priority
from edged.http.tensors import read
from edged.requests.graphs import MOST_PAIRS, MOST_VALUES, run_graphs
from edged.requests.settings import RequestSettings
from edged.testing import FakeRun
from tests.broker import until
from tests.http.conftest import TOKEN
from tests.http.small import PICTURES, SCORES, SERVICE, ended, started

LENGTH = "Inference-Header-Content-Length"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    box = started(tmp_path_factory.mktemp("small"))
    yield box
    ended(box)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Its model has two graphs."""
    box = started(tmp_path_factory.mktemp("two"), ("first", "second"))
    yield box
    ended(box)


def told(array=PICTURES, name="pictures", **more):
    said = {"name": name, "shape": list(array.shape), "datatype": "FP32", "data": array.ravel().tolist()}
    return {key: value for key, value in (said | more).items() if value is not None}


def infer(box, *inputs, model="small", **more):
    return box.post(f"/v2/models/{model}/infer", {"inputs": list(inputs), **more})


def infer_bytes(box, head, tail, **headers):
    json = orjson.dumps(head)
    return box.ask("POST", "/v2/models/small/infer", json + tail, {LENGTH: str(len(json)), **headers})


def as_bytes(array=PICTURES, **more):
    return told(array, data=None, parameters={"binary_data_size": array.nbytes}) | more


def refused(answer, code):
    """It failed in KServe's form; what it says."""
    assert answer.code == code, answer.body
    assert list(answer.json) == ["error"]
    return answer.json["error"]


def test_json_in_and_out(small):
    answer = infer(small, told(), id="mine")
    assert answer.code == 200, answer.body
    assert answer.headers["X-Request-Id"] == "mine" and LENGTH not in answer.headers
    (scores,) = answer.json.pop("outputs")
    assert answer.json == {"model_name": "small", "model_version": "onnxruntime-f32", "id": "mine"}
    assert (scores["name"], scores["datatype"], scores["shape"]) == ("scores", "FP32", [2, 4])
    assert np.allclose(np.reshape(scores["data"], (2, 4)), SCORES, atol=1e-5)


def test_nested_data_is_the_same(small):
    plain, nested = infer(small, told()), infer(small, told(data=PICTURES.tolist()))
    assert nested.json["outputs"] == plain.json["outputs"]


@pytest.mark.parametrize("padding", range(4))
def test_bytes_in_and_out_wherever_they_begin(small, padding):
    head = {"id": "x" * padding, "inputs": [as_bytes()], "parameters": {"binary_data_output": True}}
    answer = infer_bytes(small, head, PICTURES.tobytes())
    assert answer.code == 200, answer.body
    end = int(answer.headers[LENGTH])
    (scores,) = orjson.loads(answer.body[:end])["outputs"]
    assert scores["parameters"] == {"binary_data_size": 32} and "data" not in scores
    assert np.allclose(np.frombuffer(answer.body[end:], "<f4").reshape(2, 4), SCORES, atol=1e-5)


def test_an_output_says_for_itself_how_it_is_wanted(small):
    wanted = {"name": "scores", "parameters": {"binary_data": False}}
    more = {"outputs": [wanted], "parameters": {"binary_data_output": True}}
    assert infer(small, told(), **more).json["outputs"][0]["data"]


def test_a_batch_is_one_run_at_the_priority_of_requests(small):
    small.turns.taken.clear()
    assert infer(small, told()).code == 200
    assert small.turns.taken == [Priority.REQUEST]


def test_it_counts_like_a_request(small):
    before = small.counters.counts()["requests/image-classification"].get("200", 0)
    infer(small, told())
    assert small.counters.counts()["requests/image-classification"]["200"] == before + 1
    assert 'model="small",stage="inference"' in small.get("/metrics").body.decode()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"name": "picture"}, "there is no input 'picture', but pictures"),
        ({"datatype": "FP64"}, "should be float32 [?, 3, 8, 8], but is float64 [2, 3, 8, 8]"),
        ({"datatype": "BYTES"}, "'BYTES', which is none of BOOL, INT8"),
        ({"shape": [2, 3, 64]}, "should be float32 [?, 3, 8, 8], but is float32 [2, 3, 64]"),
        ({"shape": [3, 3, 8, 8]}, "has 384 values, and not those of its shape [3, 3, 8, 8]"),
        ({"shape": [-1, 3, 8, 8]}, "inputs.0.shape.0"),
        ({"shape": [1] * 33}, "inputs.0.shape"),
        ({"shape": [0, 2**62, 2**62], "data": []}, "a shape that none can have"),
        ({"data": [[1.0], [1.0, 2.0]]}, "not of one shape"),
        ({"data": ["a"] * 384}, "not all FP32"),
        ({"data": [None] * 384}, "not all FP32"),
        ({"data": [1e300] * 384}, "not all FP32"),
        ({"data": [True] * 384}, "not all FP32"),
        ({"data": [1.5] * 384, "datatype": "INT32"}, "not all INT32"),
        ({"data": [300] * 384, "datatype": "UINT8"}, "not all UINT8"),
        ({"data": None}, "neither `data` nor `binary_data_size`"),
        ({"parameters": {"shared_memory_region": "mine"}}, "shared_memory_region"),
        ({"data": None, "parameters": {"binary_data_size": 1536}}, "wants 1536 bytes after the JSON"),
        ({"data": None, "parameters": {"binary_data_size": 12}}, "has 1536 bytes, and not"),
        ({"data": None, "parameters": {"binary_data_size": "x"}}, "has 1536 bytes, and not"),
    ],
)
def test_a_wrong_input_is_named(small, wrong, says):
    assert says in refused(infer(small, told(**wrong)), 400)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not JSON"),
        (b"[]", "the request wants keys with values"),
        ({"inputs": []}, "`inputs` is wrong: must not be empty"),
        ({"inputs": [told(), told()]}, "there twice"),
        ({"inputs": [told()], "outputs": [{"name": "boxes"}]}, "there is no output 'boxes', but scores"),
        ({"inputs": [told()], "parameters": {"sequence_id": 7}}, "sequence_id"),
    ],
)
def test_a_wrong_request(small, body, says):
    assert says in refused(small.post("/v2/models/small/infer", body), 400)


@pytest.mark.parametrize(
    ("tail", "headers", "says"),
    [
        (b"\0" * 1535, {}, "wants 1536 bytes after the JSON"),
        (b"\0" * 1540, {}, "4 bytes after the JSON belong to no input"),
        (b"\0" * 1536, {LENGTH: "x"}, "no number of bytes"),
        (b"\0" * 1536, {LENGTH: "99999"}, "its JSON shall have 99999"),
        (b"\0" * 1536, {"Content-Encoding": "gzip"}, "compressed"),
    ],
)
def test_bytes_that_do_not_fit(small, tail, headers, says):
    assert says in refused(infer_bytes(small, {"inputs": [as_bytes()]}, tail, **headers), 400)


def test_numbers_that_are_none_are_refused_on_their_way_out(small):
    said = infer_bytes(small, {"inputs": [as_bytes()]}, np.full_like(PICTURES, np.nan).tobytes())
    assert "not finite" in refused(said, 500)


def test_of_several_graphs_those_run_whose_inputs_are_there(two):
    both = [tensor["name"] for tensor in two.get("/v2/models/small").json["inputs"]]
    assert both == ["first/pictures", "second/pictures"]
    two.turns.taken.clear()
    answer = infer(two, told(name="second/pictures"))
    assert [output["name"] for output in answer.json["outputs"]] == ["second/scores"]
    assert len(two.turns.taken) == 1
    answer = infer(two, told(PICTURES[:1], "second/pictures"), told(name="first/pictures"))
    assert {output["name"]: output["shape"] for output in answer.json["outputs"]} == {
        "first/scores": [2, 4],
        "second/scores": [1, 4],
    }
    said = refused(infer(two, told(name="first/pictures"), outputs=[{"name": "second/scores"}]), 400)
    assert "'second/scores' wants inputs that are not there" in said


def test_a_model_that_is_not_served_and_one_that_has_left(small):
    assert "no model 'other'" in refused(infer(small, told(), model="other"), 404)
    assert refused(small.get("/v2/models/small/infer"), 405)


def test_one_that_loads_is_waited_for(small):
    served = small.table.get(SERVICE)
    small.table.load(SERVICE)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(infer, small, told())
        until(lambda: small.queue.queued()["loading"] == 1)
        small.table.put(served)
        assert answer.result(30).code == 200


def test_what_is_too_large(tmp_path):
    settings = RequestSettings(max_answer_bytes=1000)
    box = started(tmp_path, settings=settings, max_body_bytes=100_000)
    try:
        assert "http.max_body_bytes" in refused(infer(box, told(), id="x" * 200_000), 413)
        many = np.zeros((100, 3, 8, 8), np.uint8)
        assert "requests.max_answer_bytes" in refused(infer(box, told(many)), 413)
    finally:
        ended(box)


@pytest.mark.parametrize(
    ("kind", "shape", "says"),
    [
        ({}, (MOST_VALUES // 192 + 1, 3, 8, 8), f"more than the {MOST_VALUES} values"),
        ({"kind": "tensor", "shape": [1, 3, 8, 8]}, (int(MOST_PAIRS**0.5) + 1, 3, 8, 8), "is too long"),
    ],
)
def test_a_free_length_has_an_end(small, kind, shape, says):
    instance = small.table.get(SERVICE).instance
    graph = instance.card.graphs["main"]
    port = TensorInput.model_validate(kind) if kind else graph.inputs["pictures"]
    graphs = {"main": graph.model_copy(update={"inputs": {"pictures": port}})}
    made = SimpleNamespace(
        card=instance.card.model_copy(update={"graphs": graphs}), signatures=instance.signatures
    )
    with pytest.raises(TooLarge, match=says):
        run_graphs(made, {"pictures": np.zeros(shape, np.float32)}, (), FakeRun())


def test_it_wants_the_token_and_says_so_in_its_form(tmp_path):
    box = started(tmp_path, token=TOKEN)
    try:
        assert "token" in refused(infer(box, told()), 401)
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        body = {"inputs": [told()]}
        assert box.ask("POST", "/v2/models/small/infer", body, bearer).code == 200
    finally:
        ended(box)


def test_at_its_deadline_it_is_answered(tmp_path):
    box = started(tmp_path, settings=RequestSettings(timeout_s=0.5))
    try:
        box.turns.open.clear()
        assert "timeout_s" in refused(infer(box, told()), 504)
    finally:
        ended(box)


def test_who_left_is_not_worked_for(tmp_path):
    box = started(tmp_path)
    there = lambda: len(box.unit._server.server_state.connections)  # noqa: E731
    body = orjson.dumps({"inputs": [told()]})
    try:
        box.turns.open.clear()
        with closing(box.connection()) as first, closing(box.connection()) as second:
            for connection in (first, second):  # all workers wait for the device now
                connection.request("POST", "/v2/models/small/infer", body)
            until(lambda: len(box.turns.taken) == 2)
            with closing(box.connection()) as third:
                third.request("POST", "/v2/models/small/infer", body)
                until(lambda: box.counters.counts()["http_requests"]["taken"] == 3)
            until(lambda: there() == 2)
            box.turns.open.set()
            assert [connection.getresponse().status for connection in (first, second)] == [200, 200]
        until(lambda: box.counters.counts()[f"requests/{SERVICE}"].get("499") == 1)
        assert len(box.turns.taken) == 2
    finally:
        ended(box)


def test_bytes_are_not_copied():
    json = orjson.dumps({"inputs": [as_bytes()]})
    json += b" " * (-len(json) % 16)
    payload = json + PICTURES.tobytes()
    _, inputs = read(payload, len(json))
    assert np.shares_memory(inputs["pictures"], np.frombuffer(payload, np.uint8))


@pytest.mark.parametrize("values", [[1, 2**64 - 1], [2**63, 0], [[5], [2**64 - 2]], [3, 4]])
def test_whole_numbers_of_any_size_stay_what_they_are(values):
    found = read_values(values, "UINT64")
    assert (found.dtype, found.ravel().tolist()) == (np.uint64, np.ravel(np.array(values, object)).tolist())


@pytest.mark.parametrize("other", [1.5, -1, 2**64, "7", None])
def test_what_is_not_of_uint64_beside_a_large_one(other):
    with pytest.raises(BadRequest, match="is not all UINT64"):
        read_values([other, 2**64 - 1], "UINT64")


def read_values(values, datatype):
    tensor = {"name": "x", "shape": list(np.shape(values)), "datatype": datatype, "data": values}
    request = {"inputs": [tensor]}
    return read(json.dumps(request).encode(), None)[1]["x"]
