"""A real mosquitto on a free port, clients that count, and a pipeline of which only the work is faked."""

import contextlib
import queue
import socket
import threading
import time
from itertools import repeat

import orjson
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edged.contracts.message import ServiceFacts
from edged.contracts.request import Answer, RequestJob
from edged.flow.counters import Counters
from edged.flow.mailbox import Fifo
from edged.mqtt import connection
from edged.mqtt.attempt import without_delay
from edged.mqtt.introduction import Introduction
from edged.mqtt.settings import MqttSettings
from edged.mqtt.topics import DISCOVERY, Topics
from edged.mqtt.unit import MqttUnit
from tests.broker import LIMIT, until

NODE = "shop-1"
SERVICE = "object-detection"
REQUEST = f"edged/{NODE}/request/{SERVICE}"
FACTS = ServiceFacts(service=SERVICE, model="fake-model", variant="none", device="cpu", schema="s/1")


@pytest.fixture
def broker(mosquitto):
    return mosquitto()


class Client:
    """A customer: publishes requests and keeps whatever comes back."""

    def __init__(self, port: int, *topics: str, version: str = "5") -> None:
        self.speaks_5 = version == "5"
        self.got: queue.Queue[paho.MQTTMessage] = queue.Queue()
        self._paho = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"customer-{id(self)}",
            protocol=paho.MQTTv5 if self.speaks_5 else paho.MQTTv311,
        )
        self._paho.max_inflight_messages_set(0 if not self.speaks_5 else 20)
        self._paho.on_message = lambda c, u, message: self.got.put(message)
        ready = threading.Event()
        subscribed = threading.Event()
        self._paho.on_connect = lambda *_: ready.set()
        self._paho.on_subscribe = lambda *_: subscribed.set()
        self._paho.on_socket_open = without_delay
        self._paho.connect("127.0.0.1", port, 60)
        self._paho.loop_start()
        assert ready.wait(LIMIT)
        if topics:
            self._paho.subscribe([(topic, 1) for topic in topics])
            assert subscribed.wait(LIMIT)

    def publish(self, topic, body, reply=None, correlation=None, *, qos=1, retain=False):
        properties = None
        if self.speaks_5:
            properties = Properties(PacketTypes.PUBLISH)
            if reply is not None:
                properties.ResponseTopic = reply
            if correlation is not None:
                properties.CorrelationData = correlation
        payload = body if isinstance(body, bytes) else orjson.dumps(body)
        return self._paho.publish(topic, payload, qos, retain, properties)

    def next(self, limit: float = LIMIT) -> paho.MQTTMessage:
        return self.got.get(timeout=limit)

    def json(self):
        return orjson.loads(self.next().payload)

    def close(self) -> None:
        self._paho.disconnect()
        self._paho.loop_stop()


@pytest.fixture
def client(broker):
    """Makes customers; all are closed at the end."""
    made = []

    def make(*topics, version="5", port=None):
        made.append(Client(port or broker.port, *topics, version=version))
        return made[-1]

    yield make
    for one in made:
        one.close()


class Pipeline:
    """The intake of the daemon: a bounded queue and workers; the work is `work(fields) -> fields`."""

    def __init__(self, places: int = 256, workers: int = 2, seconds: float = 0.0) -> None:
        self.jobs: Fifo[RequestJob] = Fifo(places, 10**9)
        self.jobs.ready = self._wake
        self.runs: list[bytes] = []
        self.open = threading.Event()
        self.open.set()
        self._seconds = seconds
        self._woken = threading.Semaphore(0)
        for _ in range(workers):
            threading.Thread(target=self._work, daemon=True).start()

    def submit(self, job: RequestJob) -> None:
        self.jobs.put(job, len(job.payload))

    def _wake(self) -> None:
        self._woken.release()

    def _work(self) -> None:
        while True:
            self._woken.acquire()
            self.open.wait()
            if (job := self.jobs.take()) is None:
                continue
            time.sleep(self._seconds)
            self.runs.append(job.payload)
            job.reply(self.answer(job))

    @staticmethod
    def answer(job: RequestJob) -> Answer:
        try:
            fields = orjson.loads(job.payload)
        except orjson.JSONDecodeError:
            fields = {}
        request_id = str(fields.get("request_id") or f"made-{id(job)}")
        body = orjson.dumps({"request_id": request_id, "success": True, "echo": fields.get("n")})
        return Answer(request_id, body, 200, "fake-model", fields.get("reply_to"))


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    """Who lost the broker tries again at once, and does not wait longer each time."""
    monkeypatch.setattr(connection, "delays", lambda: repeat(0.1))


@pytest.fixture
def unit(broker, tmp_path):
    """Makes units against the broker; all are stopped at the end."""
    made = []

    def make(
        intake=None,
        *,
        wait=True,
        node=NODE,
        verbs=None,
        counters=None,
        state="state",
        info=None,
        prefix=DISCOVERY,
        born=None,
        **settings,
    ):
        chosen = MqttSettings(**{"url": broker.url, **settings})
        one = MqttUnit(
            topics=Topics(node, prefix),
            settings=chosen,
            intake=intake or Pipeline(),
            counters=counters or Counters(),
            state_dir=tmp_path / state,
            verbs=verbs or {},
            introduction=Introduction("1.2.3", info or (lambda: [FACTS])),
            born=born,
        )
        made.append(one)
        one.start()
        if wait:
            until(lambda: one.state() == "running", "the unit is connected")
        return one

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def pipeline():
    """The class, so that a test chooses places, workers and pace."""
    return Pipeline


class Proxy:
    """Stands between the daemon and the broker: loses bytes of one direction, cuts all connections."""

    def __init__(self, to: int) -> None:
        self.lose_up = False
        """Swallow what the daemon sends."""
        self.lose_down = False
        """Swallow what the broker sends."""
        self.refuses = False
        """Hang up on new connections."""
        self._to = to
        self._pairs: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"mqtt://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        pairs, self._pairs = self._pairs, []
        for sock in pairs:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self.lose_up = self.lose_down = False  # not earlier: what is lost could still get through

    def close(self) -> None:
        self._server.close()
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._server.accept()
                self._pairs.append(near)  # before the look: either it is refused, or a `cut` finds it
                try:
                    far = None if self.refuses else socket.create_connection(("127.0.0.1", self._to))
                except OSError:  # the broker is down
                    far = None
                if far is None:
                    near.close()
                    continue
                self._pairs.append(far)
                threading.Thread(target=self._pump, args=(near, far, "lose_up"), daemon=True).start()
                threading.Thread(target=self._pump, args=(far, near, "lose_down"), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, loses: str) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not getattr(self, loses):
                    sink.sendall(data)
        for sock in (source, sink):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            if sock is source:
                sock.close()


@pytest.fixture
def proxy(broker):
    found = Proxy(broker.port)
    yield found
    found.close()
