"""A disk that cannot be written when the daemon starts: requests are served, and kept once it can."""

import os
import resource
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from edged.mqtt.broker import EmbeddedBroker, mosquitto_config
from edged.mqtt.settings import BrokerAddress, MqttSettings
from tests.broker import free_port
from tests.mqtt.conftest import NODE, REQUEST, Pipeline

HERE = Path(__file__).parent
ROOM = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


@pytest.fixture
def on_a_full_disk(broker, tmp_path):
    """A daemon in a process of its own, whose files can grow no more, as on a full disk."""
    daemon = [sys.executable, HERE / "slow_daemon.py", broker.url, tmp_path / "state", "0.01"]
    root = str(HERE.parent.parent)
    with subprocess.Popen(
        ["prlimit", "--fsize=0:unlimited", *daemon],
        env={**os.environ, "PYTHONPATH": root}, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        yield process
        process.kill()


def test_requests_are_answered_and_later_journalled_again(on_a_full_disk, client, tmp_path):
    customer, status = client("replies/me"), client(f"edged/{NODE}/availability")
    assert status.next().payload == b"online"
    customer.publish(REQUEST, {"n": 1, "request_id": "1"}, "replies/me").wait_for_publish(30)
    assert customer.json() == {"n": 1}
    file = tmp_path / "state" / "mqtt" / "requests.db"
    assert not file.exists() or file.stat().st_size == 0
    resource.prlimit(on_a_full_disk.pid, resource.RLIMIT_FSIZE, ROOM)
    said = next(line for line in on_a_full_disk.stderr if "can be written again" in line)
    customer.publish(REQUEST, {"n": 2, "request_id": "2"}, "replies/me").wait_for_publish(30)
    assert customer.json() == {"n": 2}
    on_a_full_disk.kill()
    on_a_full_disk.wait(30)
    with sqlite3.connect(file) as db:
        assert db.execute("SELECT COUNT(*) FROM requests").fetchone() == (1,)
    db.close()
    assert "fails" not in said + on_a_full_disk.stderr.read(), "it was said once, at the start"


@pytest.mark.parametrize("name", ["broker", "mqtt"])
def test_what_cannot_be_a_folder_keeps_nobody_from_being_served(tmp_path, unit, client, name):
    port = free_port()
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / name).write_text("no folder")
    embedded = EmbeddedBroker(MqttSettings(embedded_port=port), tmp_path / "state", 8_000_000)
    embedded.start()
    folder = embedded._home.folder
    try:
        one = unit(Pipeline(), url="embedded", embedded_port=port)
        customer = client("replies/me", port=port)
        customer.publish(REQUEST, {"n": 1}, "replies/me", b"1")
        assert customer.json()["echo"] == 1
        said = (embedded.state(), one.kept())
        in_memory = said[0 if name == "broker" else 1]
        assert "Errno" in in_memory and "memory" in in_memory
        assert said[1 if name == "broker" else 0] in ("running", "process")
        assert one.state() == "running"
        one.stop()
    finally:
        embedded.stop()
    assert folder.exists() == (name == "mqtt"), "what was made in memory is gone"


def test_under_power_the_embedded_broker_writes_down_each_second_what_waits(tmp_path):
    address = BrokerAddress("127.0.0.1", 1)
    for durability in ("memory", "process", "power"):
        broker = EmbeddedBroker(MqttSettings(), tmp_path, 8_000_000, durability)
        config = mosquitto_config(address, tmp_path, 1_000_000, None, broker._home.keeping)
        assert ("autosave_interval 1\n" in config) == (durability == "power")
        assert "persistence true\n" in config
