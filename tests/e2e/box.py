"""A real daemon: its own process, a real broker, real weights."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.broker import until

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

    def said(self, text: str) -> bool:
        return any(text in line for line in self.log)

    def stop(self, how=signal.SIGTERM) -> int:
        self.process.send_signal(how)
        return self.process.wait(30)


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
    readers = [
        threading.Thread(target=lambda: daemon.lines.extend(map(json.loads, process.stdout)), daemon=True),
        threading.Thread(target=lambda: daemon.log.extend(x.decode() for x in process.stderr), daemon=True),
    ]
    for reader in readers:
        reader.start()
    try:
        yield daemon
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
        for reader in readers:
            reader.join(10)
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

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


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
