"""A running HTTP server over a pipeline that the test holds in its hands."""

import http.client
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import orjson
import pytest

from edged.artefacts.settings import ArtefactSettings
from edged.artefacts.store import ArtefactStore
from edged.contracts.errors import NotReady, QueueFull
from edged.contracts.image import DetectionOptions, Detections
from edged.contracts.message import ModelFacts
from edged.contracts.request import Answer
from edged.contracts.services import service
from edged.flow.counters import Counters
from edged.http.server import HttpUnit
from edged.http.settings import HttpSettings
from edged.http.sources import Sources
from edged.http.status import MqttStatus, ServiceStatus, Status, StreamStatus
from edged.media.fetch import ByteLimit
from edged.requests.queue import RequestQueue
from edged.requests.settings import RequestSettings
from edged.serving.table import Served, ServiceTable
from edged.streams.live import LiveViews
from edged.testing import frame_of
from tests.broker import until
from tests.http.cards import CARD, SIGNATURES

JPEG = cv2.imencode(".jpg", np.full((40, 60, 3), 90, np.uint8))[1].tobytes()
UPLOAD_BYTES = 30_000_000
TOKEN = "a-token-that-nobody-guesses"


class FakeInstance:
    """Answers one box of the picture's size."""

    card = CARD
    facts = ModelFacts(name="fake", variant="onnxruntime-f32", device="cpu")
    picture = None
    signatures = SIGNATURES

    def infer(self, item, options, run, priority):
        box = np.array([[0, 0, item.width, item.height]], np.float32)
        return Detections(box, np.array([0.9], np.float32), np.array([0]), ["person"])


class FakeIntake:
    """Answers from a thread of its own, at once or when the test lets it."""

    def __init__(self):
        self.jobs = []
        self.draw = None
        self.full = False
        self.free = threading.Event()
        self.free.set()
        self.pool = ThreadPoolExecutor(4)

    def submit(self, job):
        if self.full:
            raise QueueFull("2 requests are waiting already; try again later")
        self.jobs.append(job)
        self.pool.submit(self._answer, job)

    def _answer(self, job):
        assert self.free.wait(60)
        body = orjson.dumps({"request_id": "r-1", "success": True, "bytes": len(job.payload)})
        job.reply(Answer("r-1", body, 200, "fake", draw=self.draw))


def no_jobs():
    raise NotReady("jobs are not taken here")


def no_counts():
    raise NotReady("nothing is counted here")


class Box:
    """What stands behind the server, and ways to ask it."""

    def __init__(self):
        self.counters = Counters()
        self.intake = FakeIntake()
        self.folder = Path(tempfile.mkdtemp())
        self.artefacts = ArtefactStore(ArtefactSettings(), self.folder, self.counters)
        self.uploads = ArtefactStore(ArtefactSettings(), self.folder, self.counters, name="uploads")
        self.views = LiveViews()
        self.table = ServiceTable()
        options = DetectionOptions(score_threshold=0.3, iou_threshold=0.5, max_detections=10)
        self.table.put(Served(service("object-detection"), FakeInstance(), options))
        self.services = [ServiceStatus(service="object-detection", model="fake", state="running")]
        self.idle: Callable[[str], Any] = lambda model: None
        self.counts = self.events = no_counts
        self.names = lambda service: ()
        self.sound_limit = ByteLimit(UPLOAD_BYTES, "requests.sound.max_bytes")
        self.unit: Any = None
        self.grpc: Any = None

    def sources(self, intake=None, jobs=None):
        return Sources(
            version="1.2.3",
            intake=intake or self.intake,
            jobs=jobs or no_jobs,
            counters=self.counters,
            table=self.table,
            artefacts=self.artefacts,
            uploads=self.uploads,
            upload_limit=ByteLimit(UPLOAD_BYTES, "requests.video.max_bytes"),
            views=self.views,
            status=self.status,
            idle=self.idle,
            counts=self.counts,
            events=self.events,
            names=self.names,
            sound_limit=self.sound_limit,
        )

    def start(self, **settings):
        """Start on a free port; `intake` and `jobs` replace those of `sources`."""
        sources = self.sources(settings.pop("intake", None), settings.pop("jobs", None))
        self.unit = HttpUnit(HttpSettings(**{"listen": "127.0.0.1:0", **settings}), sources)
        self.unit.start()
        return self

    def stop(self):
        self.intake.free.set()
        if self.unit is not None:
            self.unit.stop()
        self.intake.pool.shutdown()
        shutil.rmtree(self.folder)

    def status(self):
        return Status(
            node="box",
            version="1.2.3",
            uptime_s=1.5,
            mqtt=MqttStatus(state="running"),
            services=self.services,
            streams=[
                StreamStatus(
                    name="door", state="online", fps=5, why="", services=["ocr"], listens=False, enabled=True
                )
            ],
            queues={"requests": 3},
            units={"requests": "running", "mqtt": "connecting"},
            counters=self.counters.counts(),
        )

    def connection(self, timeout=30):
        return http.client.HTTPConnection("127.0.0.1", self.unit.port, timeout=timeout)

    def ask(self, method, path, body=None, headers=None):
        """One request on a connection of its own: code, headers, body, and the body as JSON if it is."""
        with closing(self.connection()) as connection:
            if isinstance(body, dict | list):
                body = orjson.dumps(body)
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            data = answer.read()
        is_json = answer.headers.get_content_type() == "application/json"
        parsed = orjson.loads(data) if is_json and data else None
        return SimpleNamespace(code=answer.status, headers=answer.headers, body=data, json=parsed)

    def get(self, path, **headers):
        return self.ask("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def post(self, path, body=None, **headers):
        return self.ask("POST", path, body, {k.replace("_", "-"): v for k, v in headers.items()})

    def asked_and_left(self, path):
        """A client asks and leaves before the answer, which is counted."""
        self.intake.free.clear()
        sock = socket.create_connection(("127.0.0.1", self.unit.port), 30)
        sock.sendall(b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}" % path.encode())
        until(lambda: self.intake.jobs, "the job arrives")
        sock.close()
        until(lambda: not self.unit._server.server_state.connections, "the server sees that the client left")
        self.intake.free.set()
        counted = lambda: self.counters.counts().get("http_requests", {})  # noqa: E731
        until(lambda: counted().get("the client left before its answer"), "it is counted")

    def show(self, stream="door", shade=90, seq=0):
        """Let the stream show a gray frame."""
        view = self.views.get(stream) or self.views.add(stream)
        frame = frame_of(np.full((40, 60, 3), shade, np.uint8), seq)
        frame.captured_at = time.time()
        view.put(frame, "object-detection", None)


@pytest.fixture
def box():
    """Not started yet."""
    made = Box()
    yield made
    made.stop()


def running(**settings):
    made = Box()
    try:
        yield made.start(**settings)
    finally:
        made.stop()


@contextmanager
def queued(box):
    """The box over a real queue."""
    queue = RequestQueue(box.table, RequestSettings(), 2, box.counters)
    queue.start()
    yield box.start(intake=queue)
    box.stop()
    queue.stop()


@pytest.fixture(scope="module")
def real():
    """The real queue and route; only the model is faked."""
    with queued(Box()) as box:
        yield box


@pytest.fixture(scope="module")
def shared():
    """One that runs for all tests of a module which change nothing in it."""
    yield from running()


@pytest.fixture(scope="module")
def guarded():
    """The same with a token."""
    yield from running(token=TOKEN)
