"""Health messages, and what systemd hears: a real datagram socket, as sd_notify uses it."""

import shutil
import socket
import time
from datetime import datetime

import pytest

from edged.core import Core
from edged.flow.counters import Counters
from edged.flow.units import Units, Wish
from edged.health import Systemd, health


class Unit:
    """A unit whose thread gave its last sign of life `age` seconds ago."""

    def __init__(self, age=0.0):
        self._age = age

    def start(self): ...

    def stop(self): ...

    def state(self):
        return "running"

    def beat(self):
        return time.monotonic() - self._age


@pytest.fixture
def systemd(tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(0.2)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "60000000")
        yield listener


def units_with(age):
    units = Units()
    units.reconcile({"camera": Wish(1, lambda: Unit(age))})
    return units


def test_systemd_hears_what_it_is_told(systemd):
    Systemd().tell("READY=1", "STATUS=fine")
    assert systemd.recv(1000) == b"READY=1\nSTATUS=fine"


def test_the_watchdog_hears_of_units_that_live(systemd):
    Systemd().watch(units_with(age=1))
    assert systemd.recv(1000) == b"WATCHDOG=1"


def test_the_watchdog_hears_nothing_when_a_unit_hangs(systemd):
    Systemd().watch(units_with(age=61))
    with pytest.raises(TimeoutError):
        systemd.recv(1000)


def test_without_systemd_nothing_happens(monkeypatch):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    Systemd().tell("READY=1")
    Systemd().watch(units_with(age=1000))


def test_health_tells_counts_latency_queues_and_units(tmp_path):
    core = Core(Counters())
    core.started_at = time.monotonic() - 5
    core.counters.count("frames/door", "decoded", by=3)
    core.counters.observe("request", 0.25)
    core.units.reconcile({"camera": Wish(1, lambda: Unit(0))})
    core.queues = lambda: {"requests": 2}
    told = health("shop-1", tmp_path, core)
    assert told.counters == {"frames/door": {"decoded": 3}}
    assert told.latency_ms["request"].p50 == 250.0
    assert (told.queues, told.units) == ({"requests": 2}, {"camera": "running"})
    assert told.uptime_s == pytest.approx(5, abs=2)


def test_health_says_what_survives_and_whether_the_clock_was_set(tmp_path, monkeypatch):
    core = Core(Counters())
    monkeypatch.setattr("edged.flow.clock.state", lambda: "unsynced")
    told = health("shop-1", tmp_path, core)
    assert (told.durability, told.clock) == ("", "unsynced"), "MQTT does not run"
    monkeypatch.setattr(Core, "kept", lambda _: "memory: [Errno 30] Read-only file system")
    assert health("shop-1", tmp_path, core).durability == "memory: [Errno 30] Read-only file system"
    assert told.at is None, "nobody knows what time it is"


def test_health_says_when_it_was_told_and_what_the_disk_has_left(tmp_path, monkeypatch):
    monkeypatch.setattr("edged.flow.clock.state", lambda: "synced")
    told = health("shop-1", tmp_path, Core(Counters()))
    assert abs(datetime.fromisoformat(told.at).timestamp() - time.time()) < 60
    assert told.disk_free_bytes == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.2)
    assert health("shop-1", tmp_path / "none", Core(Counters())).disk_free_bytes is None
