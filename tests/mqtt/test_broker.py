"""The embedded broker: mosquitto, or amqtt where there is none."""

import os
import queue
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from edged.contracts.errors import ConfigError
from edged.mqtt.broker import EmbeddedBroker
from edged.mqtt.settings import MqttSettings
from tests.broker import free_port, until

NODE, SERVICE = "shop-1", "object-detection"
REQUEST = f"edged/{NODE}/request/{SERVICE}"
ROOT = Path(__file__).parent.parent.parent
pytestmark = pytest.mark.broker


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
def no_mosquitto(monkeypatch):
    monkeypatch.setattr("edged.mqtt.broker.find_mosquitto", lambda: None)


@pytest.fixture
def embedded(tmp_path, port):
    made = []

    def make(**settings):
        made.append(EmbeddedBroker(MqttSettings(embedded_port=port, **settings), tmp_path, 8_000_000))
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
    seconds: list[float] = []

    def ask():
        started = time.perf_counter()
        customer.publish(REQUEST, {"n": len(seconds), "reply_to": "replies/me"})
        assert customer.json()["echo"] == len(seconds)
        seconds.append(time.perf_counter() - started)
        return len(seconds) >= 30 and min(seconds) < 0.04

    until(ask, "a quick one: 44 ms is what delayed acknowledgements of TCP cost, each time")
    print(f"amqtt: p50 {statistics.median(seconds) * 1000:.1f} ms")


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


USER = {"username": "me", "password": "right"}


@pytest.fixture
def outside():
    """An address of this machine that others can reach."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))  # sends nothing, only finds the way
        except OSError:
            pytest.skip("this machine has no address on a network")
        return sock.getsockname()[0]


@pytest.fixture(params=["mosquitto", "amqtt"])
def program(request, monkeypatch):
    """The test runs with each of them."""
    if request.param == "amqtt":
        monkeypatch.setattr("edged.mqtt.broker.find_mosquitto", lambda: None)
    return request.param


@pytest.mark.usefixtures("program")
def test_the_network_gets_in_with_the_password_only(embedded, port, unit, outside):
    embedded(embedded_listen="0.0.0.0", **USER)
    unit(url="embedded", embedded_port=port, embedded_listen="0.0.0.0", version="3.1.1", **USER)
    for host in (outside, "127.0.0.1"):
        assert enter(host, port) == "Not authorized"
        assert enter(host, port, "me", "wrong") == "Not authorized"
        assert enter(host, port, "you", "right") == "Not authorized"
        assert enter(host, port, "me", "right") == "Success"


def test_by_default_the_network_is_shut_out(embedded, port, outside):
    embedded()
    with pytest.raises(ConnectionRefusedError):
        enter(outside, port)


def test_one_address_alone_can_be_opened(embedded, port, unit, outside):
    embedded(embedded_listen=outside, **USER)
    unit(url="embedded", embedded_port=port, embedded_listen=outside, **USER)
    with pytest.raises(ConnectionRefusedError):
        enter("127.0.0.1", port)


def test_the_file_of_passwords_is_hashed_private_and_goes_with_the_password(embedded, tmp_path):
    broker = embedded(**USER)
    path = tmp_path / "broker" / "passwords"
    assert path.stat().st_mode & 0o777 == 0o600
    assert "right" not in path.read_text()
    assert path.read_text().startswith("me:$7$")
    broker.stop()
    embedded()
    assert not path.exists()


def test_an_address_that_is_not_ours_is_named(embedded):
    with pytest.raises(ConfigError, match=r"this machine has no address 203\.0\.113\.9"):
        embedded(embedded_listen="203.0.113.9", **USER)


@pytest.mark.usefixtures("program")
def test_the_child_sees_no_secret(embedded, monkeypatch):
    monkeypatch.setenv("MQTT_PASSWORD", "s3cret")
    broker = embedded(username="me", password="s3cret")
    child = Path(f"/proc/{broker._child.pid}")
    assert b"s3cret" not in (child / "environ").read_bytes() + (child / "cmdline").read_bytes()


def enter(host, port, user=None, password=None):
    """What the broker says to a client."""
    said: queue.Queue[str] = queue.Queue()
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311, reconnect_on_failure=False)
    client.on_connect = lambda c, u, flags, reason, facts: said.put(str(reason))
    if user is not None:
        client.username_pw_set(user, password)
    client.connect(host, port)
    client.loop_start()
    try:
        return said.get(timeout=60)
    finally:
        client.disconnect()
        client.loop_stop()


OWNER = """
import sys, time
from pathlib import Path
from edged.mqtt import broker as module
from edged.mqtt.settings import MqttSettings
if sys.argv[3] == "amqtt":
    module.find_mosquitto = lambda: None
broker = module.EmbeddedBroker(MqttSettings(embedded_port=int(sys.argv[2])), Path(sys.argv[1]), 8_000_000)
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


def test_the_broker_of_another_that_lives_is_left_alone(tmp_path, port, embedded):
    owner = _owner(tmp_path, port, "mosquitto")
    pid = int(owner.stdout.readline())
    try:
        with pytest.raises(
            ConfigError, match=rf"another edged \(process {owner.pid}\) runs with this folder"
        ):
            embedded()
        assert runs(pid)
    finally:
        owner.kill()
        owner.wait()
        owner.stdout.close()
    until(lambda: not runs(pid))


def _owner(tmp_path, port, program, **environment):
    return subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path), str(port), program],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )


def test_a_huge_message_is_not_even_read(embedded, port, program, client, unit):
    broker = embedded(max_payload_bytes=100_000)
    version = "3.1.1" if program == "amqtt" else "5"
    unit(url=f"mqtt://127.0.0.1:{port}", version=version, max_payload_bytes=100_000)
    before = peak_mb(broker._child.pid)
    with socket.create_connection(("127.0.0.1", port)) as sock:
        level = b"\x04" if version == "3.1.1" else b"\x05"
        properties = b"" if version == "3.1.1" else b"\x00"
        rest = b"\x00\x04MQTT" + level + b"\x02\x00\x3c" + properties + b"\x00\x01x"
        sock.sendall(b"\x10" + bytes([len(rest)]) + rest)
        assert sock.recv(100)[0] == 0x20, "let in"
        with pytest.raises(OSError):  # hung up on
            sock.sendall(b"\x30\x80\x84\xaf\x5f\x00\x01a")  # 200 MB follow
            for _ in range(200):
                sock.sendall(bytes(1_000_000))
    assert peak_mb(broker._child.pid) - before < 30
    customer = client("replies/me", version=version, port=port)
    asked = {"request_id": "long", "reply_to": "replies/me", "image": "x" * 200_000}
    customer.publish(f"edged/shop-1/request/{SERVICE}", asked, "replies/me")
    assert customer.json()["error_code"] == 413, "a little too long reaches us, who say why"


def peak_mb(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1000
