"""KServe's gRPC service over a small graph with known answers, asked by Triton's client."""

import logging
import math
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import repeat
from pathlib import Path

import grpc
import numpy as np
import orjson
import pytest
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

from edged.contracts.errors import ConfigError, EdgedError, RequestError
from edged.grpc import methods, server
from edged.grpc import unit as unit_module
from edged.grpc.guests import MOST_CONNECTIONS
from edged.grpc.kserve_pb2 import ModelInferRequest, ModelInferResponse
from edged.requests.settings import RequestSettings
from tests.broker import until
from tests.graphs import MATRIX
from tests.grpc.conftest import HELLO, client_of, door, plain, refused, tensor_of, unit_over
from tests.http.conftest import TOKEN
from tests.http.small import PICTURES, SCORES, SERVICE

BEARER = {"authorization": f"Bearer {TOKEN}"}
STRANGE: tuple[dict[str, str], ...] = (
    {},
    {"authorization": "Bearer x"},
    {"authorization": TOKEN},
    {"authorization": f"Basic {TOKEN}"},
)


def infer(client, array=PICTURES, model="small", **more):
    return client.infer(model, [tensor_of(array)], **more)


def counted(box, kind="grpc_answers"):
    return box.counters.counts().get(kind, {})


def message(array=PICTURES):
    tensor = {"name": "pictures", "datatype": "FP32", "shape": array.shape}
    said = ModelInferRequest(model_name="small", inputs=[tensor], raw_input_contents=[array.tobytes()])
    return said.SerializeToString()


def test_tensors_for_tensors(client):
    result = infer(client, request_id="mine")
    answer = result.get_response()
    assert (answer.model_name, answer.model_version, answer.id) == ("small", "onnxruntime-f32", "mine")
    assert np.allclose(result.as_numpy("scores"), SCORES, atol=1e-5)


def test_numbers_may_come_in_their_fields(small):
    contents = {"fp32_contents": PICTURES.ravel().tolist()}
    tensor = {"name": "pictures", "datatype": "FP32", "shape": PICTURES.shape, "contents": contents}
    said = ModelInferRequest(model_name="small", inputs=[tensor], outputs=[{"name": "scores"}])
    with plain(small.grpc) as call:
        answer = ModelInferResponse.FromString(call(said.SerializeToString(), timeout=30))
    (raw,) = answer.raw_output_contents
    assert np.allclose(np.frombuffer(raw, "<f4").reshape(2, 4), SCORES, atol=1e-5)
    assert (answer.outputs[0].name, list(answer.outputs[0].shape)) == ("scores", [2, 4])


def test_metadata_is_that_of_http(small, client):
    told, over_http = client.get_model_metadata("small", as_json=True), small.get("/v2/models/small").json
    for kind in ("inputs", "outputs"):
        for tensor in told[kind]:
            tensor["shape"] = list(map(int, tensor["shape"]))
    assert told == {name: over_http[name] for name in ("name", "versions", "platform", "inputs", "outputs")}
    server = client.get_server_metadata()
    assert (server.name, server.version) == ("edged", "1.2.3")
    assert client.is_server_live() and client.is_model_ready("small")


def test_it_is_ready_when_its_services_are(small, client):
    assert client.is_server_ready()
    usual, small.services = (
        small.services,
        [s.model_copy(update={"state": "loading"}) for s in small.services],
    )
    try:
        assert not client.is_server_ready()
    finally:
        small.services = usual


def test_versions_are_variants(client):
    assert client.is_model_ready("small", model_version="onnxruntime-f32")
    assert infer(client, model_version="onnxruntime-f32").get_response().model_name == "small"
    for call in (
        client.is_model_ready,
        client.get_model_metadata,
        lambda *a: infer(client, model_version=a[1]),
    ):
        failed = refused(call, "small", "2")
        assert failed.status == "NOT_FOUND" and "runs as onnxruntime-f32" in failed.text


@pytest.mark.parametrize(
    ("array", "model", "code"),
    [
        (PICTURES, "medium", 404),
        (PICTURES.astype(np.float64), "small", 400),
        (PICTURES[0], "small", 400),
        (np.full_like(PICTURES, np.nan), "small", 500),
    ],
)
def test_it_fails_in_the_words_of_http(small, client, array, model, code):
    failed = refused(infer, client, array, model)
    assert failed.status == {404: "NOT_FOUND", 400: "INVALID_ARGUMENT", 500: "INTERNAL"}[code]
    tensor = {"name": "pictures", "shape": array.shape, "datatype": f"FP{8 * array.itemsize}"}
    tensor |= {"parameters": {"binary_data_size": array.nbytes}}
    json = orjson.dumps({"inputs": [tensor]})
    head = {"Inference-Header-Content-Length": str(len(json))}
    answer = small.ask("POST", f"/v2/models/{model}/infer", json + array.tobytes(), head)
    assert (answer.code, answer.json) == (code, {"error": failed.text})


def test_one_that_loads_is_waited_for(small, client):
    served = small.table.get(SERVICE)
    small.table.load(SERVICE)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(infer, client)
        until(lambda: small.queue.queued()["loading"] == 1)
        small.table.put(served)
        assert answer.result(30).get_response().model_name == "small"


def test_it_counts_as_a_way_of_its_own(small, client):
    before, taken = counted(small), counted(small, "grpc_requests")["taken"]
    asked = counted(small, f"requests/{SERVICE}")["200"]
    over_http = counted(small, "http_requests")
    infer(client)
    refused(infer, client, model="medium")
    now = counted(small)
    assert now["OK"] == before["OK"] + 1
    assert now["NOT_FOUND"] == before.get("NOT_FOUND", 0) + 1
    assert counted(small, "grpc_requests")["taken"] == taken + 1
    assert counted(small, f"requests/{SERVICE}")["200"] == asked + 1
    assert counted(small, "http_requests") == over_http
    assert 'edged_grpc_answers_total{code="OK",of=""}' in small.get("/metrics").body.decode()


def test_the_token(tmp_path):
    with door(tmp_path, token=TOKEN, most_bytes=100_000) as box, client_of(box.grpc) as client:
        assert client.is_server_live() and client.is_server_ready()
        guarded = (
            client.get_server_metadata,
            lambda **more: client.is_model_ready("small", **more),
            lambda **more: client.get_model_metadata("small", **more),
            lambda **more: infer(client, **more),
        )
        for call in guarded:
            assert call(headers=BEARER)
            for headers in STRANGE:
                failed = refused(call, headers=headers)
                assert failed.status == "UNAUTHENTICATED"
                assert "this address wants the token of the box" in failed.text
        with plain(box.grpc) as call, pytest.raises(grpc.RpcError) as caught:
            call(message(), timeout=30, metadata=[("authorization", f"Bearer {TOKEN}")] * 2)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        many = np.zeros((1000, 3, 8, 8), np.float32)
        assert refused(infer, client, many).status == "UNAUTHENTICATED", "judged before it is read"
        assert refused(infer, client, many, headers=BEARER).status == "RESOURCE_EXHAUSTED"


def test_what_is_too_large(tmp_path):
    settings = RequestSettings(max_answer_bytes=1000)
    with door(tmp_path, settings, most_bytes=100_000) as box, client_of(box.grpc) as client:
        failed = refused(infer, client, np.zeros((1000, 3, 8, 8), np.float32))
        assert failed.status == "RESOURCE_EXHAUSTED"
        assert "larger than max" in failed.text and "vs. 100000" in failed.text
        until(lambda: counted(box) == {"RESOURCE_EXHAUSTED": 1})
        failed = refused(infer, client, np.zeros((100, 3, 8, 8), np.float32))
        assert failed.status == "RESOURCE_EXHAUSTED" and "requests.max_answer_bytes" in failed.text
        assert infer(client, PICTURES)


def test_what_is_packed_is_not_unpacked(small, client):
    bomb = np.zeros((30_000, 3, 8, 8), np.float32)  # of 23 MB, 23 kB are sent
    failed = refused(infer, client, bomb, compression_algorithm="gzip")
    assert failed.status == "UNIMPLEMENTED"


def test_a_queue_that_is_full(small):
    unit = unit_over(small, intake=small.intake)
    small.intake.full = True
    unit.start()
    try:
        with client_of(unit) as client:
            failed = refused(infer, client)
    finally:
        small.intake.full = False
        unit.stop()
    assert failed.status == "RESOURCE_EXHAUSTED" and "2 requests are waiting already" in failed.text


def test_at_the_deadline_of_the_box_it_is_answered(tmp_path):
    with door(tmp_path, RequestSettings(timeout_s=0.5)) as box, client_of(box.grpc) as client:
        box.turns.open.clear()
        failed = refused(infer, client, client_timeout=60)
        assert failed.status == "DEADLINE_EXCEEDED" and "timeout_s" in failed.text


def test_the_deadline_of_the_caller_is_that_of_its_request(tmp_path):
    with door(tmp_path) as box, client_of(box.grpc) as client:
        box.turns.open.clear()
        began = time.monotonic()
        assert refused(infer, client, client_timeout=0.5).status == "DEADLINE_EXCEEDED"
        until(lambda: counted(box, f"requests/{SERVICE}").get("504") == 1)
        assert time.monotonic() - began < 30, "the box itself waits for 60 s"


def test_who_left_is_not_worked_for(tmp_path):
    with door(tmp_path) as box, client_of(box.grpc) as client, ThreadPoolExecutor(2) as pool:
        box.turns.open.clear()
        answers = [pool.submit(infer, client) for _ in range(2)]  # all workers wait for the device now
        until(lambda: len(box.turns.taken) == 2)
        cancelled = threading.Event()
        third = client.async_infer("small", [tensor_of(PICTURES)], lambda result, error: cancelled.set())
        until(lambda: counted(box, "grpc_requests")["taken"] == 3)
        third.cancel()
        assert cancelled.wait(30)
        until(lambda: counted(box, "grpc_requests").get("the client left before its answer") == 1)
        box.turns.open.set()
        assert [np.allclose(a.result(30).as_numpy("scores"), SCORES, atol=1e-5) for a in answers] == [
            True
        ] * 2
        until(lambda: counted(box, f"requests/{SERVICE}").get("499") == 1)
        assert len(box.turns.taken) == 2


@pytest.mark.parametrize("size", [2, 2000], ids=["small", "a megabyte"])
def test_fifty_at_a_time(small, client, size):
    arrays = [np.random.default_rng(n).random((size, 3, 8, 8), np.float32) for n in range(50)]
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(infer, repeat(client), arrays))
    for array, answer in zip(arrays, answers, strict=True):
        assert np.allclose(answer.as_numpy("scores"), array.mean((2, 3)) @ MATRIX, atol=1e-5)


def test_a_stop_lets_nobody_wait(tmp_path, capfd, monkeypatch):
    never, begun, authorization = threading.Event(), threading.Event(), methods._authorization
    monkeypatch.setattr(methods, "_authorization", lambda call: begun.set() or authorization(call))
    with (
        door(tmp_path) as box,
        client_of(box.grpc) as client,
        plain(box.grpc, streams=True) as call,
        ThreadPoolExecutor(3) as pool,
    ):
        box.turns.open.clear()
        reading = call.future(iter(never.wait, True), timeout=90)
        assert begun.wait(30)  # gRPC prints of a call that ends before it has begun
        waiting = [pool.submit(refused, infer, client) for _ in range(3)]
        until(lambda: counted(box, "grpc_requests").get("taken") == 3)
        began = time.monotonic()
        box.grpc.stop()
        assert time.monotonic() - began < 30, "they would wait for 60 s, and the one that sends for 90"
        assert "ended" in box.grpc.state()
        for answer in waiting:
            failed = answer.result(30)
            assert failed.status == "UNAVAILABLE" and "shutting down" in failed.text
        assert reading.code() is grpc.StatusCode.UNAVAILABLE
        never.set()
    assert capfd.readouterr().err == ""


@pytest.mark.slow
def test_it_starts_and_stops_and_leaves_nothing(small, caplog, capfd):
    def threads():
        return len(list(Path("/proc/self/task").iterdir()))

    def once():
        unit = unit_over(small)
        unit.start()
        with client_of(unit) as client:
            assert infer(client) and unit.state() == "running" and time.monotonic() - unit.beat() < 10
        port = unit.port
        unit.stop()
        with closing(socket.socket()) as sock:
            assert sock.connect_ex(("127.0.0.1", port)) != 0

    for _ in range(3):  # gRPC keeps some threads for later
        once()
    before = threads()
    for _ in range(10):
        once()
    until(lambda: threads() <= before + 2)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert capfd.readouterr().err == ""


def test_a_message_that_is_none(small):
    with plain(small.grpc) as call, pytest.raises(grpc.RpcError) as caught:
        call(b"\xff\xff", timeout=30)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    with plain(small.grpc, streams=True) as call, pytest.raises(grpc.RpcError) as caught:
        call(iter(()), timeout=30)
    assert (
        caught.value.details()
        == "no message, or one with more than the 20000000 bytes of `http.max_body_bytes`"
    )


def test_a_message_that_does_not_come(small, monkeypatch):
    monkeypatch.setattr(methods, "READ_S", 0.3)
    never = threading.Event()
    try:
        with plain(small.grpc, streams=True) as call, pytest.raises(grpc.RpcError) as caught:
            call(iter(never.wait, True), timeout=90)
    finally:
        never.set()
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert "did not come within" in str(caught.value.details())


@pytest.mark.slow
def test_slow_messages_make_others_wait_their_turn(small, client, monkeypatch):
    """And no longer than that."""
    never = threading.Event()
    with ExitStack() as stack, ThreadPoolExecutor(methods.MOST_READ) as pool:
        stack.callback(never.set)
        slow = [stack.enter_context(plain(small.grpc, streams=True)) for _ in range(methods.MOST_READ)]
        monkeypatch.setattr(methods, "READ_S", 2.0)
        answers = [pool.submit(call.future, iter(never.wait, True), timeout=90) for call in slow]
        assert [answer.result(30) for answer in answers]
        assert infer(client, client_timeout=30)


def test_what_the_protocol_has_and_edged_has_not(small):
    with plain(small.grpc, "RepositoryIndex") as call, pytest.raises(grpc.RpcError) as caught:
        call(b"", timeout=30)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_defect_of_ours_is_told_to_the_log_alone(small, caplog):
    def broken():
        raise ValueError("a secret of the box")

    unit = unit_over(small, why_not_ready=broken)
    unit.start()
    try:
        with client_of(unit) as client:
            failed = refused(client.is_server_ready)
    finally:
        unit.stop()
    assert (failed.status, failed.text) == ("INTERNAL", "the daemon failed on this request; its log says why")
    assert "a secret of the box" in caplog.text


def test_connections_have_an_end(small, monkeypatch):
    monkeypatch.setattr(unit_module, "SWEEP_S", math.inf)
    unit = unit_over(small)
    unit.start()
    try:
        with ExitStack() as stack:
            made = [
                stack.enter_context(closing(socket.create_connection(("127.0.0.1", unit.port), 30)))
                for _ in range(2 * MOST_CONNECTIONS + 8)
            ]
            for sock in made:
                sock.sendall(HELLO)
            assert sum(_greets(sock) for sock in made) == 2 * MOST_CONNECTIONS
    finally:
        unit.stop()


def test_calls_have_an_end(small, monkeypatch):
    monkeypatch.setattr(server, "MOST_CALLS", 2)
    unit, never = unit_over(small), threading.Event()
    unit.start()
    try:
        with plain(unit, streams=True) as call, client_of(unit) as client:
            slow = [call.future(iter(never.wait, True), timeout=60) for _ in range(2)]
            until(lambda: sum(guest.calls for guest in list(unit._guests._there.values())) == 2)
            assert _status(client) == "StatusCode.RESOURCE_EXHAUSTED"
            never.set()
            assert [answer.cancel() for answer in slow] == [True, True]
            until(lambda: _status(client) is None)
    finally:
        never.set()
        unit.stop()


def _status(client):
    try:
        client.is_server_live()
    except InferenceServerException as error:
        return error.status()
    return None


def _greets(sock):
    try:
        return bool(sock.recv(9))
    except ConnectionError:
        return False


def test_a_port_that_is_taken(small):
    with pytest.raises(EdgedError, match=r"`grpc\.listen`: another program listens"):
        unit_over(small, listen=f"127.0.0.1:{small.grpc.port}").start()


def test_it_listens_by_name_and_on_ipv6(small):
    for listen in ("localhost:0", "[::1]:0"):
        unit = unit_over(small, listen=listen)
        unit.start()
        try:
            with triton.InferenceServerClient(f"{listen.rpartition(':')[0]}:{unit.port}") as client:
                assert client.is_server_live()
        finally:
            unit.stop()


def test_without_the_extra(small, monkeypatch):
    monkeypatch.delitem(sys.modules, "edged.grpc.server")
    monkeypatch.setitem(sys.modules, "grpc", None)  # as where it is not installed
    with pytest.raises(ConfigError, match=r"pip install 'edged\[grpc\]'"):
        unit_over(small).start()


def test_switched_off_it_does_not_start(small):
    unit = unit_over(small, listen=None)
    with pytest.raises(ConfigError, match="switches gRPC off"):
        unit.start()
    unit.stop()


def test_a_start_that_fails_is_told(small, monkeypatch):
    def broken(*args, **more):
        raise RuntimeError("no address")

    monkeypatch.setattr("grpc.aio.server", broken)
    unit = unit_over(small)
    with pytest.raises(EdgedError, match="gRPC does not start: no address"):
        unit.start()
    unit.stop()


def test_every_code_of_requests_has_a_status():
    codes = {error.code for error in RequestError.__subclasses__()}
    assert codes - methods.STATUS.keys() == {403, 415, 422, 500}, "those of media, and defects"
