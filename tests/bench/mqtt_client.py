"""One MQTT 5 client that asks and waits for its answer."""

import queue
import threading
import uuid

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties


class MqttClient:
    """Connected and subscribed once it is made. Raises `OSError` when there is no broker or no answer."""

    def __init__(self, port: int, topic: str, body: bytes) -> None:
        self._topic, self._body = topic, body
        self._answers: queue.Queue[bytes] = queue.Queue()
        self._properties = Properties(PacketTypes.PUBLISH)
        self._properties.ResponseTopic = f"bench/{uuid.uuid4()}"
        ready = threading.Event()
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self._client.on_message = lambda _c, _u, message: self._answers.put(message.payload)
        self._client.on_subscribe = lambda *_: ready.set()
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._client.subscribe(self._properties.ResponseTopic, 1)
        if not ready.wait(10):
            raise ConnectionError("the broker does not answer")

    def ask(self) -> None:
        """One request and its answer."""
        self._properties.CorrelationData = uuid.uuid4().bytes
        self._client.publish(self._topic, self._body, 1, properties=self._properties)
        try:
            answer = self._answers.get(timeout=30)
        except queue.Empty:
            raise ConnectionError("no answer over MQTT") from None
        if b"class_probs" not in answer:
            raise ConnectionError(f"the answer is {answer[:200]!r}")
