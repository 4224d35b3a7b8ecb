"""A client of our own: asks at a steady rate over MQTT 5, sends nothing again, and notes what is answered."""

import itertools
import socket
import threading
import time
from collections import deque
from collections.abc import Collection

import orjson
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from edged.chaos.tally import FINE, Gaps, Question, answered_since
from edged.contracts.errors import EdgedError
from edged.mqtt.topics import Topics

READY_S = 30.0
DOUBT_S = 5.0
"""What was asked so long before the broker's death is not in doubt: it wrote it down or handed it on."""
_ANSWERS = "chaos/answers"
_SESSION_S = 3600
_IN_FLIGHT = 5000


class Customer:
    """A persistent session with QoS 1. What paho sends again is what the broker had not acknowledged."""

    def __init__(self, port: int, node: str, service: str, body: bytes) -> None:
        """Not yet connected. `body`: of an ordinary request to `service`."""
        self.service = service
        self.questions: list[Question] = []
        """All that was asked since `forget`."""
        self.streams: dict[str, Gaps] = {}
        """By stream."""
        self._port = port
        self._topics = Topics(node)
        self._body = body
        self._numbers = itertools.count()
        self._asked: dict[bytes, Question] = {}
        self._sent: dict[bytes, int] = {}
        """The packet's number of each request; below: those that the broker acknowledged, the latest."""
        self._acknowledged: deque[int] = deque(maxlen=2 * _IN_FLIGHT)
        self._last_heard: dict[str, float] = {}
        self._subscribed = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._client = self._made()

    def connect(self) -> None:
        """Returns when it is subscribed. Raises `EdgedError` when the broker does not let it."""
        session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        session.SessionExpiryInterval = _SESSION_S
        self._client.connect("127.0.0.1", self._port, 30, clean_start=False, properties=session)
        self._client.loop_start()
        if not self._subscribed.wait(READY_S):
            raise EdgedError("the scratch broker does not answer its client")

    def close(self) -> None:
        """Stop asking and listening."""
        self.rest()
        self._client.disconnect()
        self._client.loop_stop()

    def ask(
        self, body: bytes | None = None, wants: Collection[int] = FINE, service: str | None = None
    ) -> Question:
        """One request; without a body an ordinary one."""
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.ResponseTopic = _ANSWERS
        properties.CorrelationData = name = next(self._numbers).to_bytes(8, "big")
        question = Question(time.monotonic(), wants)
        self._asked[name] = question
        self.questions.append(question)
        topic = self._topics.requests.replace("+", service or self.service)
        said = self._body if body is None else body
        self._sent[name] = self._client.publish(topic, said, 1, properties=properties).mid
        return question

    def ask_steadily(self, rate: float) -> None:
        """So many ordinary requests a second, until `rest`."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._keep_asking, args=(rate,), name="customer", daemon=True)
        self._thread.start()

    def rest(self) -> None:
        """Ask no more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def cut(self) -> None:
        """Break the connection off, whatever is on its way; it is made again by itself."""
        if isinstance(connection := self._client.socket(), socket.socket):
            connection.shutdown(socket.SHUT_RDWR)

    def doubt(self) -> None:
        """The broker was killed: what it acknowledged of late and is not answered is in doubt."""
        now, acknowledged = time.monotonic(), set(self._acknowledged)
        for name, number in list(self._sent.items()):
            question = self._asked[name]
            fresh = now - question.asked_at < DOUBT_S
            question.doubtful |= fresh and not question.answers and number in acknowledged

    def forget(self) -> list[Question]:
        """All that was asked until now; from now on others are. Its answers are written down still."""
        past, self.questions = self.questions, []
        return past

    def drop(self) -> None:
        """Nothing that was asked is waited for any more."""
        self._asked.clear()
        self._sent.clear()

    def answered_since(self, moment: float) -> float | None:
        """When the first request that was asked at this moment or later was answered; none: not yet."""
        return answered_since(list(self.questions), moment)

    def heard(self, stream: str) -> float:
        """When the last result of a stream came, seconds, monotonic; minus infinity: never."""
        return self._last_heard.get(stream, float("-inf"))

    def lost(self) -> int:
        """Results of all streams that are missing."""
        return sum(gaps.lost for gaps in list(self.streams.values()))

    def _made(self) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id="edged-chaos-customer", protocol=paho.MQTTv5
        )
        client.max_inflight_messages_set(_IN_FLIGHT)
        client.max_queued_messages_set(0)
        client.reconnect_delay_set(0.1, 0.5)  # type: ignore[arg-type] # it only waits so long
        client.on_connect = self._on_connect
        client.on_subscribe = lambda *_: self._subscribed.set()
        client.on_publish = lambda _, __, number, *___: self._acknowledged.append(number)
        client.message_callback_add(_ANSWERS, self._on_answer)
        client.message_callback_add(self._topics.stream("+", self.service), self._on_result)
        return client

    def _on_connect(self, client: paho.Client, *_: object) -> None:
        results = self._topics.stream("+", self.service)
        client.subscribe([(_ANSWERS, SubscribeOptions(1)), (results, SubscribeOptions(1))])

    def _on_answer(self, client: paho.Client, user: object, message: paho.MQTTMessage) -> None:
        name = getattr(message.properties, "CorrelationData", b"")
        if (asked := self._asked.get(name)) is not None:
            said = orjson.loads(message.payload)
            code = 200 if said.get("success") else int(said["error_code"])
            asked.answers.append((time.monotonic(), code))

    def _on_result(self, client: paho.Client, user: object, message: paho.MQTTMessage) -> None:
        said = orjson.loads(message.payload)
        self._last_heard[said["stream"]] = time.monotonic()
        self.streams.setdefault(said["stream"], Gaps()).hear(said["seq"], said["captured_at"])

    def _keep_asking(self, rate: float) -> None:
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            self.ask()
            due = max(due + 1 / rate, time.monotonic() - 1 / rate)  # what was missed is not made up for
