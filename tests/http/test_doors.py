"""One table of the ways in: the same fault is the same refusal, whichever door it comes to."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from email.message import Message
from typing import Any, NamedTuple

import orjson
import pybase64
import pytest
from wyoming.event import read_event

from edged.contracts.image import DetectionOptions
from edged.contracts.request import RequestJob
from edged.contracts.services import service
from edged.flow.counters import Counters
from edged.media.fetch import ByteLimit
from edged.requests.queue import RequestQueue
from edged.requests.settings import RequestSettings
from edged.serving.table import Served, ServiceTable
from edged.wyoming.settings import WyomingSettings
from edged.wyoming.unit import WyomingUnit
from tests.broker import until
from tests.clients import Oracle, names
from tests.http.conftest import JPEG, TOKEN, Box, FakeInstance

MOST = 1_000_000
"""Bytes of a body, and of a recording."""
FORM = "multipart/form-data; boundary=x"
SOUND = {"rate": 48_000, "width": 4, "channels": 2}
LEFT, TAKEN = "the client left before its answer", "taken"
OPTIONS = DetectionOptions(score_threshold=0.3, iou_threshold=0.5, max_detections=10)


class Door(NamedTuple):
    """A way in."""

    path: str
    """Over HTTP; empty: over Wyoming."""
    service: str
    """Who is asked."""
    body: Callable[[int], bytes]
    """Of so many bytes, and what is around them."""
    kind: str = "application/json"

    def raw(self, size: int = 4, headers: Mapping[str, str] | None = None) -> bytes:
        """A whole request."""
        body = self.body(size)
        if not self.path:
            return body
        said = {
            "Host": "localhost",
            "Content-Type": self.kind,
            "Content-Length": len(body),
            **(headers or {}),
        }
        head = [f"POST {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in said.items())]
        return "\r\n".join([*head, "", ""]).encode() + body


def form(**fields: str) -> Callable[[int], bytes]:
    """One with a file."""
    said = {"name": "file", "filename": "a.wav"}

    def part(about, body):
        names = "".join(f'; {name}="{value}"' for name, value in about.items())
        return f"--x\r\nContent-Disposition: form-data{names}\r\n\r\n".encode() + body + b"\r\n"

    rest = b"".join(part({"name": name}, value.encode()) for name, value in fields.items())
    return lambda size: rest + part(said, bytes(size)) + b"--x--\r\n"


def spoken(size: int) -> bytes:
    """Over Wyoming."""
    chunks = [min(100_000, size - at) for at in range(0, size, 100_000)]
    said = [
        ("transcribe", {}, 0),
        ("audio-start", SOUND, 0),
        *(("audio-chunk", SOUND, one) for one in chunks),
    ]
    events = (
        json.dumps({"type": kind, "data": data, "payload_length": length}).encode() + b"\n" + bytes(length)
        for kind, data, length in (*said, ("audio-stop", {}, 0))
    )
    return b"".join(events)


def text(name: str) -> Callable[[int], bytes]:
    """JSON with one long field."""
    return lambda size: orjson.dumps({name: "a" * size})


V1 = "/v1/audio"
DOORS = {
    "predict": Door("/api/predict/object-detection", "object-detection", text("image")),
    "drawn": Door("/api/predict/object-detection?drawing=true", "object-detection", text("image")),
    "infer": Door("/v2/models/fake/infer", "object-detection", text("id")),
    "embeddings": Door("/v1/embeddings", "text-embedding", text("input")),
    "transcriptions": Door(f"{V1}/transcriptions", "transcription", form(), FORM),
    "streamed": Door(f"{V1}/transcriptions", "transcription", form(stream="true"), FORM),
    "translations": Door(f"{V1}/translations", "transcription", form(), FORM),
    "wyoming": Door("", "transcription", spoken),
}
HTTP = [name for name, door in DOORS.items() if door.path]


class House:
    """A box with all doors open to one pipeline."""

    def __init__(self, intake: Any, table: ServiceTable | None = None, **http: Any) -> None:
        self.box = Box()
        self.box.table = table or self.box.table
        self.box.names, self.box.sound_limit = names, ByteLimit(MOST, "requests.sound.max_bytes")
        self.box.start(intake=intake, max_body_bytes=MOST, **http)
        settings = WyomingSettings(listen="127.0.0.1:0", announce=False)
        self.wyoming = WyomingUnit(
            *(settings, "box", intake, self.box.counters),
            **{"names": names, "version": "1.2.3", "limit": self.box.sound_limit},
        )
        self.wyoming.start()

    def stop(self) -> None:
        self.wyoming.stop()
        self.box.stop()

    def connect(self, door: Door) -> socket.socket:
        unit = self.box.unit if door.path else self.wyoming
        return socket.create_connection(("127.0.0.1", unit.port), 60)

    def ask(self, door: Door, raw: bytes) -> tuple[int, Message]:
        """Code and headers of the answer."""
        with closing(self.connect(door)) as sock:
            with suppress(OSError):  # refused before all of it came
                sock.sendall(raw)
            return told(sock, door)

    def counted(self, door: Door) -> dict[str, int]:
        return dict(self.box.counters.counts().get("http_requests" if door.path else "wyoming_requests", {}))


def told(sock: socket.socket, door: Door) -> tuple[int, Message]:
    if door.path:
        answer = http.client.HTTPResponse(sock)
        answer.begin()
        return answer.status, answer.headers
    event = read_event(sock.makefile("rb"))
    assert event is not None
    return int(event.data.get("code", 200)), Message()


@pytest.fixture(scope="module")
def oracle():
    made = Oracle()
    made.failure = (422, "not today")
    yield made
    made.free.set()
    made.pool.shutdown()


@pytest.fixture(scope="module")
def house(oracle):
    made = House(oracle)
    yield made
    oracle.free.set()
    made.stop()


@pytest.fixture(params=DOORS)
def door(request):
    return DOORS[request.param]


@pytest.fixture(params=HTTP)
def web(request):
    return DOORS[request.param]


@pytest.fixture
def jobs(oracle):
    """Those that come in from now on."""
    oracle.jobs.clear()
    oracle.full = False
    return oracle.jobs


@pytest.fixture(scope="module")
def guarded(oracle):
    made = House(oracle, token=TOKEN)
    yield made
    made.stop()


def test_the_token(guarded, jobs, web):
    """Wyoming knows none; there `clients` says who may come, see tests/wyoming."""
    for headers in ({}, {"Authorization": "Bearer another"}, {"Cookie": "edged=another"}):
        code, answered = guarded.ask(web, web.raw(headers=headers))
        assert (code, answered["WWW-Authenticate"]) == (401, "Bearer")
    assert jobs == []


def test_names_and_pages_of_strangers(house, jobs, web):
    assert house.ask(web, web.raw(headers={"Host": "shop.example"}))[0] == 403
    assert house.ask(web, web.raw(headers={"Origin": "https://shop.example"}))[0] == 403
    assert jobs == []


def test_too_many_bytes(house, jobs, door):
    assert house.ask(door, door.raw(4 * MOST))[0] == 413
    assert jobs == []


def test_what_is_nothing_of_the_kind(house, jobs, door):
    if door.path:  # the queue looks into what it is asked; what asks it otherwise is looked into here
        assert house.ask(door, door.raw(headers={"Content-Length": "-1"}))[0] == 400
    else:
        assert house.ask(door, b"nonsense\n")[0] == 400
    assert jobs == []


def test_a_full_queue(house, jobs, oracle, door):
    oracle.full = True
    before = house.counted(door).get("refused 429", 0)
    code, headers = house.ask(door, door.raw())
    assert code == 429
    assert not door.path or int(headers["Retry-After"]) > 0
    assert house.counted(door)["refused 429"] == before + 1


def test_who_leaves(house, jobs, oracle, door):
    oracle.free.clear()
    before = house.counted(door)
    with closing(house.connect(door)) as sock:
        sock.sendall(door.raw())
        until(lambda: jobs, "it comes in")
        assert jobs[0].service == door.service
        assert not jobs[0].is_cancelled()
    until(jobs[0].is_cancelled, "it is told")
    oracle.free.set()
    wanted = {name: before.get(name, 0) + 1 for name in (LEFT, TAKEN)}
    until(
        lambda: {name: house.counted(door).get(name, 0) for name in wanted} == wanted, "it is counted, once"
    )


def test_who_waits_when_the_box_goes_down(door):
    oracle = Oracle()
    oracle.free.clear()
    house = House(oracle)
    try:
        with closing(house.connect(door)) as sock:
            sock.sendall(door.raw())
            until(lambda: oracle.jobs, "it comes in")
            stopper = threading.Thread(target=house.stop)
            stopper.start()
            code, headers = told(sock, door)
            assert code == 503
            assert not door.path or int(headers["Retry-After"]) > 0
            stopper.join(60)
    finally:
        oracle.free.set()
        oracle.pool.shutdown()


class Stuck(FakeInstance):
    """At its work until the test lets it go."""

    def __init__(self) -> None:
        self.free, self.at_work = threading.Event(), threading.Semaphore(0)

    def infer(self, item, options, run, priority):
        self.at_work.release()
        assert self.free.wait(120)
        return super().infer(item, options, run, priority)


@pytest.fixture(scope="module")
def late():
    """All its workers are at work, and what waits has half a second; with the counters of the queue."""
    stuck, table, counters = Stuck(), ServiceTable(), Counters()
    table.put(Served(service("object-detection"), stuck, OPTIONS))
    queue = RequestQueue(table, RequestSettings(timeout_s=0.5, media_timeout_s=0.5), 2, counters)
    queue.start()
    body = orjson.dumps({"image": pybase64.b64encode_as_string(JPEG), "timeout_s": 120})
    for _ in range(2):
        queue.submit(RequestJob("object-detection", body, time.monotonic(), lambda answer: None))
        assert stuck.at_work.acquire(timeout=60)
    house = House(queue)
    yield house, counters
    house.stop()
    stuck.free.set()
    queue.stop()


def test_at_its_deadline_each_is_answered(late, door):
    house, counters = late
    of = f"requests/{door.service}"
    before = counters.counts().get(of, {}).get("504", 0)
    assert house.ask(door, door.raw())[0] == 504
    assert counters.counts()[of]["504"] == before + 1


@pytest.fixture(scope="module")
def empty():
    """Nothing is installed."""
    queue = RequestQueue(ServiceTable(), RequestSettings(), 2, Counters())
    queue.start()
    house = House(queue, ServiceTable())
    yield house
    house.stop()
    queue.stop()


def test_where_nothing_is_installed(empty, door):
    code, headers = empty.ask(door, door.raw())
    assert code == 404
    assert "Retry-After" not in headers, "waiting would not help"
