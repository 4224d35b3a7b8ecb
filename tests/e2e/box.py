"""A real daemon: its own process, a real broker, real weights."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.broker import Mosquitto, until
from tests.mqtt.conftest import Proxy

EDGED = [sys.executable, "-c", "from edged.cli import main; main()"]
ROOT = Path(__file__).parent.parent.parent


@dataclass
class Daemon:
    """A running `edged run` and what it wrote."""

    process: subprocess.Popen
    port: int
    node: str
    config: Path
    lines: list[dict] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    readers: list[threading.Thread] = field(default_factory=list)

    def said(self, text: str) -> bool:
        return any(text in line for line in self.log)

    def stop(self, how=signal.SIGTERM) -> int:
        self.process.send_signal(how)
        return self.ended()

    def ended(self) -> int:
        """Wait for its end, until all that it wrote is read; its exit code."""
        code = self.process.wait(60)
        for reader in self.readers:
            reader.join(30)
        return code


def _whole(lines: Iterable[bytes]) -> Iterator[dict]:
    """The last one may be cut: where the daemon was killed."""
    return (json.loads(line) for line in lines if line.endswith(b"\n"))


@contextmanager
def running(config: Path, port: int, node: str, *args: str, edged: Sequence[str] = EDGED) -> Iterator[Daemon]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [*edged, "run", "--config", str(config), *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env,
        cwd=config.parent,
    )
    daemon = Daemon(process, port, node, config)
    daemon.readers += [
        threading.Thread(target=lambda: daemon.lines.extend(_whole(process.stdout)), daemon=True),
        threading.Thread(target=lambda: daemon.log.extend(x.decode() for x in process.stderr), daemon=True),
    ]
    for reader in daemon.readers:
        reader.start()
    try:
        yield daemon
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
        for reader in daemon.readers:
            reader.join(30)
        process.stdout.close()
        process.stderr.close()
        sys.stdout.write("".join(daemon.log)[-6000:])  # pytest shows it when a test fails


class Client:
    """An MQTT 5 client that keeps what it hears."""

    def __init__(self, port: int, *topics: str, qos: int = 1) -> None:
        self.heard: list[paho.MQTTMessage] = []
        self._subscribed = threading.Event()
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self._client.max_inflight_messages_set(2000)
        self._client.on_message = lambda client, user, message: self.heard.append(message)
        self._client.on_connect = lambda client, *_: client.subscribe([(t, qos) for t in topics])
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        until(lambda: self._connected(port), "a connection to the broker")
        self._client.loop_start()
        assert self._subscribed.wait(30)

    def _connected(self, port: int) -> bool:
        try:
            self._client.connect("127.0.0.1", port)
        except OSError:
            return False
        return True

    def ask(self, node: str, service: str, payload: bytes, answer_to: str, correlation: bytes) -> None:
        properties = Properties(PacketTypes.PUBLISH)
        properties.ResponseTopic = answer_to
        properties.CorrelationData = correlation
        topic = f"edged/{node}/request/{service}"
        self._client.publish(topic, payload, qos=1, properties=properties)

    def publish(self, topic: str, payload: bytes = b"{}") -> None:
        self._client.publish(topic, payload, qos=1)

    def on(self, topic: str) -> list[paho.MQTTMessage]:
        return [message for message in list(self.heard) if message.topic == topic]

    def caught_up(self) -> None:
        """Wait until all is here that the broker has acknowledged to anybody."""
        self._client.publish("caught-up", b"", qos=1).wait_for_publish(60)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def kill_broker(broker: Mosquitto, proxy: Proxy, client: Client) -> None:
    """The broker that a daemon knows by the proxy is killed and comes back.

    The client heard all that the broker had acknowledged, and listens again before the daemon is let in: who
    is not there misses what is not retained.
    """
    proxy.refuses = True
    proxy.cut()
    client.caught_up()
    broker.kill()
    client._subscribed.clear()
    broker.start()
    assert client._subscribed.wait(60)
    proxy.refuses = False


def config_text(models: Path, port: int, node: str = "box", extra: str = "", http: int | None = None) -> str:
    """A configuration with the embedded broker on a port of its own."""
    return f"""
node: {node}
paths: {{models: {models}}}
mqtt: {{url: embedded, embedded_port: {port}}}
http: {{listen: {f"127.0.0.1:{http}" if http else "null"}}}
services: {{object-detection: {{}}}}
health_every: 2s
{extra}
"""


CAMERA = """
streams:
  demo: {source: "models:picodet-416/bikes.mp4", loop: true, gate: {fps: 5}, run: [object-detection]}
"""
