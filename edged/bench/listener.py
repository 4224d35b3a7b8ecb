"""A client of our own that hears what comes of the cameras' frames, and how old each result is by then."""

import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from edged.contracts.errors import EdgedError
from edged.mqtt.topics import Topics

READY_S = 60.0


class ResultListener:
    """Subscribes to the results of one service on all streams."""

    def __init__(self, port: int, node: str, service: str) -> None:
        """Not yet connected."""
        self._port = port
        self._topic = Topics(node).stream("+", service)
        self._heard: dict[str, list[tuple[float, float]]] = defaultdict(list)
        self._changed = threading.Condition()
        self._subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe(self._topic)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._note

    def connect(self) -> None:
        """Returns when it is subscribed. Raises `EdgedError` when the broker does not let it."""
        until = time.monotonic() + READY_S
        while not self._connected():
            if time.monotonic() > until:
                raise EdgedError("the scratch daemon's broker does not answer")
            time.sleep(0.1)
        self._client.loop_start()
        if not self._subscribed.wait(READY_S):
            raise EdgedError("the scratch daemon's broker does not answer")

    def close(self) -> None:
        """Hear nothing more."""
        self._client.disconnect()
        self._client.loop_stop()

    def wait_for(self, streams: Collection[str], seconds: float) -> None:
        """Until each of these streams has told something, or so long."""
        with self._changed:
            self._changed.wait_for(lambda: self._heard.keys() >= set(streams), seconds)

    def ages(self, streams: Collection[str], begin: float, end: float) -> Mapping[str, Sequence[float]]:
        """Seconds from capture to here of all results between two moments of `time.monotonic`, by stream."""
        with self._changed:
            told = {name: self._heard.get(name, ()) for name in streams}
        return {name: [age for at, age in of_one if begin <= at < end] for name, of_one in told.items()}

    def _connected(self) -> bool:
        with contextlib.suppress(OSError):
            self._client.connect("127.0.0.1", self._port)
            return True
        return False

    def _note(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        arrived, now = time.time(), time.monotonic()
        told = orjson.loads(message.payload)
        if "result" in told:  # a failure is no answer
            age = arrived - datetime.fromisoformat(told["captured_at"]).timestamp()
            with self._changed:
                self._heard[told["stream"]].append((now, age))
                self._changed.notify_all()
