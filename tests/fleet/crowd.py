"""Many nodes in one process: each has a connection and a last will of its own, and tells what a daemon does.

Light: one thread reads for all of them; what is told is written by whoever tells it.
"""

import selectors
import threading
import time
from collections.abc import Iterable

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from edged.mqtt.attempt import without_delay
from tests.broker import until
from tests.fleet.nodes import encoded, health, stream, told

_MISC_S = 5.0


class Crowd:
    """Of `count` nodes, `box-0000` and so on, with so many streams each. Use it as a context."""

    def __init__(self, port: int, count: int, streams: int = 2) -> None:
        self.names = [f"box-{number:04d}" for number in range(count)]
        self.cameras = [f"camera-{number}" for number in range(streams)]
        self.well = stream()
        """State of all of them, at first."""
        self.acknowledged = 0
        """Messages that the broker has."""
        self._port = port
        self._clients: dict[str, paho.Client] = {}
        self._selector = selectors.DefaultSelector()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self):
        for name in self.names:
            self._connect(name)
        self._thread.start()
        until(lambda: all(c.is_connected() for c in self._clients.values()), "all nodes are connected")
        return self

    def __exit__(self, *_):
        self._stopping.set()
        self._thread.join(30)
        for client in self._clients.values():
            client.disconnect()
            client.on_publish = None
        self._selector.close()

    def tell_all(self, names: Iterable[str] | None = None) -> int:
        """Availability, info, health and states of streams; so many messages."""
        sent = 0
        for name in self.names if names is None else names:
            for topic, payload in told(name, **dict.fromkeys(self.cameras, self.well)):
                self._clients[name].publish(topic, payload, 1, retain=True)
                sent += 1
        return sent

    def tell_health(self, name: str, **more) -> None:
        """As the daemon does every 30 s."""
        self._clients[name].publish(f"edged/{name}/health", encoded(health(name, **more)), 1, retain=True)

    def tell_state(self, name: str, camera: str, state) -> None:
        """A stream has changed."""
        topic = f"edged/{name}/stream/{camera}/state"
        self._clients[name].publish(topic, encoded(state), 1, retain=True)

    def cut(self, name: str) -> None:
        """As a box that loses its power, of which the broker hears at once."""
        sock = self._clients.pop(name).socket()
        assert sock is not None
        self._selector.unregister(sock)
        sock.close()

    def _connect(self, name: str) -> None:
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"edged-{name}", protocol=paho.MQTTv5)
        client.max_inflight_messages_set(0)
        client.will_set(f"edged/{name}/availability", b"offline", 1, retain=True)
        client.on_socket_open = without_delay
        client.on_publish = self._published
        client.connect("127.0.0.1", self._port, 120)
        self._clients[name] = client
        self._selector.register(client.socket(), selectors.EVENT_READ, client)

    def _published(self, *_) -> None:
        self.acknowledged += 1

    def _read(self) -> None:
        looked_at = time.monotonic()
        while not self._stopping.is_set():
            for key, _ in self._selector.select(0.1):
                key.data.loop_read()
            if time.monotonic() > looked_at + _MISC_S:
                looked_at = time.monotonic()
                for client in list(self._clients.values()):
                    client.loop_misc()
