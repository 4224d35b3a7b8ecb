"""The server as a unit, and connections that mean harm."""

import logging
import signal
import socket
import struct
import threading
import time
from contextlib import ExitStack, closing, suppress

import pytest

from edged.contracts.errors import EdgedError
from edged.contracts.message import FailedAnswer
from edged.http import connection as bounds
from edged.http.server import HttpUnit
from edged.http.settings import HttpSettings
from tests.broker import until
from tests.http.conftest import TOKEN, Box

GET = b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /api/predict/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
"""It waits while the intake is not free."""


def raw(box, first=b""):
    sock = socket.create_connection(("127.0.0.1", box.unit.port), 60)
    sock.sendall(first)
    return sock


def closed(sock):
    """Wait until the server cuts off; what it said until then."""
    said = b""
    try:
        while data := sock.recv(65536):
            said += data
    except ConnectionResetError:
        pass
    return said


def patience(monkeypatch, **seconds):
    for phase, value in seconds.items():
        monkeypatch.setitem(bounds.PATIENCE_S, bounds.Phase[phase], value)


def test_a_port_that_is_taken_is_said(box):
    box.start()
    other = Box()
    try:
        with pytest.raises(EdgedError, match=r"http\.listen.* listens on 127\.0\.0\.1:\d+ already"):
            other.start(listen=f"127.0.0.1:{box.unit.port}")
    finally:
        other.stop()  # safe after a start that raised
    assert box.get("/v2/health/live").code == 200


def test_an_address_of_another_machine_is_said(box):
    with pytest.raises(EdgedError, match="no address of this machine"):
        box.start(listen="192.0.2.1:0", token=TOKEN)


def test_a_name_that_does_not_resolve_is_said(box):
    with pytest.raises(EdgedError, match="cannot listen on nowhere"):
        box.start(listen="nowhere.invalid:0", token=TOKEN)


def test_it_is_alive_and_leaves_signals_and_the_log_alone(box):
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM), logging.getLogger().handlers
    box.start()
    assert box.unit.state() == "running"
    started = box.unit.beat()
    until(lambda: box.unit.beat() > started, "the loop gives a sign of life")
    box.unit.stop()
    assert "ended" in box.unit.state()
    assert handlers == (
        signal.getsignal(signal.SIGINT),
        signal.getsignal(signal.SIGTERM),
        logging.getLogger().handlers,
    )


def test_no_request_writes_to_the_log(box, caplog):
    caplog.set_level(logging.DEBUG)
    box.start()
    caplog.clear()
    for path in ("/v2/health/live", "/nothing"):
        box.get(path)
    with closing(raw(box, b"NONSENSE\r\n\r\n")) as sock:
        closed(sock)
    assert [record for record in caplog.records if record.name != "asyncio"] == []


def test_a_defect_is_one_answer_and_in_the_log(box, caplog):
    def broken():
        raise KeyError("a secret detail")

    box.status = broken
    answer = box.start().get("/api/status")
    assert FailedAnswer.model_validate(answer.json).error_code == 500
    assert b"secret" not in answer.body
    until(lambda: "a secret detail" in caplog.text, "the log says why")
    assert box.get("/v2/health/live").code == 200


def test_the_same_port_can_be_had_again_at_once(box):
    box.start()
    with closing(raw(box, GET)) as sock:
        sock.recv(100)
        port = box.unit.port
        box.unit.stop()
        other = Box().start(listen=f"127.0.0.1:{port}")
    assert other.get("/v2/health/live").code == 200
    other.stop()


def test_it_ends_soon_whoever_listens_looks_waits_or_dawdles(box, caplog):
    box.start()
    box.show()
    box.intake.free.clear()
    with ExitStack() as stack:
        open_ = lambda first: stack.enter_context(closing(raw(box, first)))  # noqa: E731
        listeners = [
            open_(b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path)
            for path in (b"/api/results", b"/api/streams/door/live")
        ]
        assert all(b"200 OK" in sock.recv(1000) for sock in listeners)
        half = open_(b"POST /api/predict/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\nabc")
        waiting = open_(b"POST /api/predict/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}")
        open_(b"GET / HT")
        until(lambda: box.intake.jobs, "one waits")
        box.unit.stop()
        assert b" 503 " in closed(waiting), "who waits is answered"
        closed(half)
        until(lambda: "ended" in box.unit.state(), "it ends though the job still runs")
    box.intake.free.set()  # the late answer goes nowhere
    box.intake.pool.shutdown()
    assert "Traceback" not in caplog.text
    until(lambda: not [t for t in threading.enumerate() if t.name.startswith("http")], "its threads end")


@pytest.mark.parametrize("first", [b"", b"GET / HTTP/1.1\r\nHost: loc", b"\r\n", GET[:-2] + b"X-A: b\r\n"])
def test_headers_that_never_end_are_cut_off(box, monkeypatch, first):
    patience(monkeypatch, HEADERS=0.1)
    box.start()
    with closing(raw(box, first)) as sock:
        assert closed(sock) == b""


def test_trickling_headers_are_cut_off_too(box, monkeypatch):
    patience(monkeypatch, HEADERS=1.0)
    box.start()
    with closing(raw(box, GET[:-2])) as sock:
        sock.settimeout(0.1)
        ends_at = time.monotonic() + 60
        while time.monotonic() < ends_at:
            try:
                sock.sendall(b"X-A: b\r\n")
                if sock.recv(100) == b"":
                    return
            except TimeoutError:
                continue
            except OSError:
                return
    pytest.fail("it is still open")


def test_a_body_that_never_ends_is_cut_off(box, monkeypatch):
    patience(monkeypatch, BODY=0.1)
    box.start()
    head = b"POST /api/predict/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\nabc"
    with closing(raw(box, head)) as sock:
        assert closed(sock) == b""
    assert box.intake.jobs == []


def test_an_idle_connection_is_cut_off_also_after_an_empty_line(box, monkeypatch):
    patience(monkeypatch, IDLE=0.1, HEADERS=0.1)
    box.start()
    for more in (b"", b"\r\n"):
        with closing(raw(box, GET)) as sock:
            assert b"200 OK" in sock.recv(4096)
            sock.sendall(more)
            closed(sock)


def test_a_slow_answer_is_waited_for(box, monkeypatch):
    patience(monkeypatch, HEADERS=0.1, BODY=0.1, IDLE=0.1)
    box.start()
    box.intake.free.clear()
    head = b"POST /api/predict/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
    with closing(raw(box, head)) as sock:
        beat = box.unit.beat()
        until(lambda: box.unit.beat() > beat + 2, "the connections were looked after some times")
        box.intake.free.set()
        assert b"200 OK" in sock.recv(4096)


@pytest.mark.parametrize(
    "headers",
    [b"X-A: " + b"b" * 400_000, b"X-A: b\r\n" * 200, b"".join(b"X-%d: b\r\n" % i for i in range(9000))],
)
def test_headers_that_are_too_many_or_too_long(box, headers):
    box.start()
    with closing(raw(box, b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n")) as sock:
        with suppress(OSError):
            sock.sendall(headers + b"\r\n\r\n")
        assert b" 431 " in closed(sock)
    assert box.get("/v2/health/live").code == 200


def test_trailers_change_nothing(box):
    box.start(token=TOKEN)
    body = b"2\r\n{}\r\n0\r\nAuthorization: Bearer %s\r\n\r\n" % TOKEN.encode()
    head = b"POST /api/predict/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    with closing(raw(box, head + body)) as sock:
        assert b" 401 " in sock.recv(4096)


def test_one_connection_too_many_is_told_so(box, monkeypatch):
    monkeypatch.setattr(bounds, "MOST_CONNECTIONS", 3)
    box.start()
    box.intake.free.clear()
    with ExitStack() as stack:
        kept = [stack.enter_context(closing(raw(box, POST))) for _ in range(3)]
        until(lambda: len(box.intake.jobs) == 3, "all of them wait for their answers")
        answer = box.get("/v2/health/live")
        assert FailedAnswer.model_validate(answer.json).error_code == 503
        box.intake.free.set()
        assert all(b"200 OK" in sock.recv(4096) for sock in kept)
    until(lambda: box.get("/v2/health/live").code == 200, "there is room again")


def test_who_does_not_read_is_cut_off(box, monkeypatch):
    monkeypatch.setattr(bounds, "STALL_S", 3.0)
    box.start()
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", box.unit.port))
    with closing(sock):
        sock.sendall(b"GET /api/results HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200 OK" in sock.recv(100)
        stop = threading.Event()

        def flood():
            while not stop.wait(0.01):
                box.unit.publish_result("door", "ocr", b"x" * 500_000)

        flooding = threading.Thread(target=flood)
        flooding.start()
        try:
            dropped = lambda: box.counters.counts().get("http_results_dropped")  # noqa: E731
            until(dropped, "the slow client's queue is full")
            until(lambda: not box.unit._feed._listeners, "it is cut off")
        finally:
            stop.set()
            flooding.join()


def test_pipelined_requests_are_answered_in_order(box):
    box.start()
    with closing(raw(box, GET * 3)) as sock:
        said = b""
        while said.count(b'{"live":true}') < 3:
            data = sock.recv(65536)
            assert data
            said += data
        assert said.count(b"HTTP/1.1 200 OK") == 3


def test_who_resets_the_connection_disturbs_nobody(box, caplog):
    box.start()
    for path in (b"/api/results", b"/v2/health/live"):
        with closing(raw(box, b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path)) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    until(lambda: not box.unit._feed._listeners, "it is noticed")
    assert box.get("/v2/health/live").code == 200
    assert "Traceback" not in caplog.text


def test_http_that_is_switched_off_does_not_start(box):
    assert HttpSettings(listen=None).address is None
    with pytest.raises(EdgedError, match="null"):
        box.start(listen=None)
    assert isinstance(box.unit, HttpUnit)


def test_who_is_refused_and_gone_already_leaves_no_trace_in_the_log(box, monkeypatch, caplog):
    monkeypatch.setattr(bounds, "MOST_CONNECTIONS", 100)
    box.start()
    box.intake.free.clear()
    address = ("127.0.0.1", box.unit.port)
    with ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(closing(raw(box, POST)))
        until(lambda: len(box.intake.jobs) == 100, "all of them wait for their answers")
        for _ in range(95):
            sock = socket.create_connection(address, 30)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # RST, not FIN
            sock.close()
        assert box.get("/v2/health/live").code == 503, "whoever came before was taken in, too"
        box.intake.free.set()
    until(lambda: box.get("/v2/health/live").code == 200, "there is room again")
    until(lambda: not box.unit._server.server_state.connections, "all of them are gone")
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR] == []
