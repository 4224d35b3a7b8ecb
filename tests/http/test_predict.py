"""A request over HTTP: the same queue as over MQTT, exactly one answer, every failure said in JSON."""

import http.client
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import orjson
import pybase64
import pytest

from edged.contracts.message import FailedAnswer
from tests.broker import until
from tests.http.conftest import JPEG

PATH = "/api/predict/object-detection"
IMAGE = pybase64.b64encode_as_string(JPEG)


def refused(answer, code):
    """It is a `FailedAnswer` of that code; its message."""
    assert answer.code == code, answer.body
    said = FailedAnswer.model_validate(answer.json)
    assert said.error_code == code
    assert answer.headers["X-Request-Id"] == said.request_id
    return said.error_msg


def test_the_answer_of_the_pipeline_with_its_headers(box):
    answer = box.start().post(PATH, b"abc")
    assert (answer.code, answer.json["bytes"]) == (200, 3)
    assert (answer.headers["X-Request-Id"], answer.headers["X-Model"]) == ("r-1", "fake")
    (job,) = box.intake.jobs
    assert (job.service, job.payload) == ("object-detection", b"abc")


def test_a_picture_is_detected(real):
    answer = real.post(PATH, {"image": IMAGE, "request_id": "mine"})
    assert answer.code == 200
    assert answer.json["detection_boxes"] == [[0.0, 0.0, 40.0, 60.0]]
    assert (answer.headers["X-Request-Id"], answer.headers["X-Model"]) == ("mine", "fake")


@pytest.mark.parametrize(
    ("path", "body", "code", "says"),
    [
        (PATH, b"{", 400, "not JSON"),
        (PATH, b"", 400, "not JSON"),
        (PATH, {"image": IMAGE, "imgae": 1}, 400, "`imgae`"),
        (PATH, {"image": "aGVsbG8="}, 415, "`image`"),
        ("/api/predict/objct-detection", {"image": IMAGE}, 404, "object-detection"),
        ("/api/predict/ocr", {"image": IMAGE}, 404, "ocr"),
        ("/api/predict/" + "x" * 3000, {"image": IMAGE}, 404, "no service"),
        ("/api/predict/a%0d%0ab", {"image": IMAGE}, 404, "no service"),
    ],
)
def test_the_status_is_the_code_of_the_answer(real, path, body, code, says):
    assert says in refused(real.post(path, body), code)


def test_where_waiting_would_not_help_nobody_is_told_to_wait(real):
    assert "Retry-After" not in real.post("/api/predict/ocr", {"image": IMAGE}).headers


def test_where_it_would_help_they_are(real):
    real_table = real.table
    real_table.withdraw("ocr", "the model is not installed; run `edged pull tiny`")
    answer = real.post("/api/predict/ocr", {"image": IMAGE})
    real_table.withdraw("ocr", None)
    assert "edged pull tiny" in refused(answer, 503)
    assert int(answer.headers["Retry-After"]) > 0


def test_a_failed_answer_names_the_model_too(real):
    answer = real.post(PATH, {"image": "aGVsbG8=", "request_id": "mine"})
    assert answer.code == 415
    assert (answer.headers["X-Request-Id"], answer.headers["X-Model"]) == ("mine", "fake")


@pytest.mark.parametrize("size", [10, 2_000_000])
def test_who_waits_when_the_box_goes_down_is_told_so_by_name(box, size):
    box.start()
    box.intake.free.clear()
    body = {"request_id": "mine", "image": "x" * size}
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(box.post, "/api/predict/video-highlight", body)
        until(lambda: box.intake.jobs)
        box.unit.stop()
        answer = asked.result(30)
    box.unit = None
    assert (answer.code, answer.json["request_id"], answer.json["oss_path"]) == (503, "mine", "")
    assert answer.json["result"] == answer.json["error_msg"]


def test_an_id_that_cannot_stand_in_a_header_is_escaped_there(real):
    answer = real.post(PATH, {"image": IMAGE, "request_id": "门\r\nX-Evil: 1"})
    assert answer.json["request_id"] == "门\r\nX-Evil: 1"
    assert answer.headers["X-Request-Id"] == "%E9%97%A8%0D%0AX-Evil%3A%201"
    assert "X-Evil" not in answer.headers


def test_an_id_of_any_length_gives_a_header_of_bounded_length(real):
    answer = real.post(PATH, {"image": IMAGE, "request_id": "x" * 100_000})
    assert (answer.code, answer.headers["X-Request-Id"]) == (400, "x" * 200)


def test_what_there_is_not_and_the_wrong_method(box):
    box.start()
    refused(box.get("/nothing"), 404)
    refused(box.get("/api/predict"), 404)
    wrong = box.get(PATH)
    refused(wrong, 405)
    assert wrong.headers["Allow"] == "POST"
    refused(box.post("/metrics"), 405)


def test_a_full_queue_says_when_to_try_again_and_echoes_the_id(box):
    box.start()
    box.intake.full = True
    answer = box.post(PATH, {"request_id": "mine"})
    assert "waiting already" in refused(answer, 429)
    assert answer.json["request_id"] == "mine"
    assert int(answer.headers["Retry-After"]) > 0


def test_a_body_over_the_limit_is_refused_by_its_length_and_while_it_is_read(box):
    box.start(max_body_bytes=1000)
    assert box.post(PATH, b"x" * 1000).code == 200
    assert "max_body_bytes" in refused(box.post(PATH, b"x" * 1001), 413)
    endless = (b"x" * 500 for _ in range(20))
    assert "max_body_bytes" in refused(box.post(PATH, endless), 413)
    assert len(box.intake.jobs) == 1


def test_the_length_alone_is_enough_to_refuse(box):
    """Nothing of the body is sent: who waits for it would wait for ever."""
    box.start(max_body_bytes=1000)
    with closing(socket.create_connection(("127.0.0.1", box.unit.port), 30)) as sock:
        sock.sendall(b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999\r\n\r\n" % PATH.encode())
        assert sock.recv(100).startswith(b"HTTP/1.1 413 ")


def test_chunks_make_one_body_and_a_connection_serves_many_requests(box):
    box.start()
    with closing(box.connection()) as connection:
        for _ in range(3):
            chunks = [b"x" * 70_000, b"y" * 10]
            connection.request("POST", PATH, iter(chunks))
            assert orjson.loads(connection.getresponse().read())["bytes"] == 70_010
    assert [job.payload for job in box.intake.jobs] == [b"x" * 70_000 + b"y" * 10] * 3


@pytest.mark.parametrize(
    "raw",
    [
        b"NONSENSE\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: ten\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"POST /api/predict/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nbody\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
        b"CONNECT localhost:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_what_is_no_http_is_refused_in_json_and_closed(shared, raw):
    with closing(socket.create_connection(("127.0.0.1", shared.unit.port), 30)) as sock:
        sock.sendall(raw)
        answer = http.client.HTTPResponse(sock)
        answer.begin()
        assert answer.status == 400
        assert FailedAnswer.model_validate_json(answer.read()).error_code == 400
        assert sock.recv(10) == b""
    assert shared.intake.jobs == []


def test_who_leaves_before_the_answer_is_counted_and_disturbs_nobody(box):
    box.start()
    box.asked_and_left(PATH)
    assert box.post(PATH, b"{}").code == 200


def test_who_leaves_in_the_middle_of_the_request_is_counted(box):
    box.start()
    sock = socket.create_connection(("127.0.0.1", box.unit.port), 30)
    sock.sendall(b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{" % PATH.encode())
    sock.close()
    counted = lambda: box.counters.counts().get("http_requests", {})  # noqa: E731
    until(lambda: counted().get("the client left before the end of its request"), "it is counted")
    assert box.intake.jobs == []


def test_many_at_once_get_their_own_answer(box):
    box.start()
    with ThreadPoolExecutor(8) as pool:
        sizes = list(range(1, 60))
        answers = pool.map(lambda size: box.post(PATH, b"x" * size).json["bytes"], sizes)
        assert list(answers) == sizes
