"""The embedded broker: mosquitto, or amqtt where there is none."""

import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edged.contracts.errors import ConfigError
from edged.mqtt.broker import EmbeddedBroker
from edged.mqtt.settings import MqttSettings
from tests.broker import until

NODE, SERVICE = "shop-1", "object-detection"
REQUEST = f"edged/{NODE}/request/{SERVICE}"
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@pytest.fixture
def no_mosquitto(monkeypatch):
    monkeypatch.setattr("edged.mqtt.broker.find_mosquitto", lambda: None)


@pytest.fixture
def embedded(tmp_path, port):
    made = []

    def make():
        made.append(EmbeddedBroker(MqttSettings(embedded_port=port), tmp_path))
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        one.stop()


def runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except OSError:
        return False


def test_a_request_goes_through_mosquitto(embedded, port, unit, client):
    assert embedded().state() == "running"
    unit(url="embedded", embedded_port=port)
    customer = client("replies/me", port=port)
    customer.publish(REQUEST, {"n": 1}, "replies/me", b"1")
    assert customer.json()["echo"] == 1


@pytest.mark.usefixtures("no_mosquitto")
def test_a_request_goes_through_amqtt_and_quickly(embedded, port, unit, client, caplog):
    assert embedded().state() == "running"
    assert "MQTT 3.1.1 only" in caplog.text
    link = unit(url="embedded", embedded_port=port)
    assert link._carrier.version == "3.1.1"
    customer = client("replies/me", version="3.1.1", port=port)
    seconds = []
    for n in range(30):
        started = time.perf_counter()
        customer.publish(REQUEST, {"n": n, "reply_to": "replies/me"})
        assert customer.json()["echo"] == n
        seconds.append(time.perf_counter() - started)
    print(f"amqtt: p50 {statistics.median(seconds) * 1000:.1f} ms")
    assert statistics.median(seconds) < 0.04  # 44 ms is what delayed acknowledgements of TCP cost


def test_a_broker_that_dies_is_started_again(embedded, unit, port):
    broker = embedded()
    link = unit(url="embedded", embedded_port=port)
    first = broker._child
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: broker._child is not first and broker.state() == "running" and link.state() == "running")


def test_a_stopped_broker_is_gone_and_keeps_what_is_retained(embedded, client, port):
    broker = embedded()
    client("x", port=port).publish("kept", b"1", retain=True).wait_for_publish(30)
    pid = broker._child.pid
    broker.stop()
    assert not runs(pid)
    embedded()
    assert client("kept", port=port).next().payload == b"1"


def test_a_port_that_is_taken_is_named(embedded, port):
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(ConfigError, match=r"mqtt\.embedded_port: another program"),
    ):
        embedded()


@pytest.mark.usefixtures("no_mosquitto")
def test_without_any_broker_the_way_out_is_said(embedded, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"edged\[broker\]"):
        embedded()


OWNER = """
import sys, time
from pathlib import Path
from edged.mqtt import broker as module
from edged.mqtt.settings import MqttSettings
if sys.argv[3] == "amqtt":
    module.find_mosquitto = lambda: None
broker = module.EmbeddedBroker(MqttSettings(embedded_port=int(sys.argv[2])), Path(sys.argv[1]))
broker.start()
print(broker._child.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("program", ["mosquitto", "amqtt"])
def test_the_broker_dies_with_the_daemon(tmp_path, port, program):
    owner = _owner(tmp_path, port, program)
    pid = int(owner.stdout.readline())
    assert runs(pid)
    owner.kill()
    owner.wait()
    until(lambda: not runs(pid))
    owner.stdout.close()


def test_an_orphan_is_ended_where_the_system_did_not(tmp_path, port, embedded):
    without_setpriv = {"PATH": "/nowhere"}
    owner = _owner(tmp_path, port, "mosquitto", **without_setpriv)
    pid = int(owner.stdout.readline())
    owner.kill()
    owner.wait()
    owner.stdout.close()
    assert runs(pid)
    assert embedded().state() == "running"
    until(lambda: not runs(pid))


def _owner(tmp_path, port, program, **environment):
    return subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path), str(port), program],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )
