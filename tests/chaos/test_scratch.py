"""The scratch world's parts, and that they touch nothing of the user's."""

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from edged.chaos import broker
from edged.chaos.camera import ScratchCamera
from edged.chaos.daemon import ScratchDaemon
from edged.chaos.faults import FAULTS
from edged.chaos.memory import cpu_seconds, family, pss_bytes
from edged.chaos.round import chosen
from edged.chaos.subject import choose
from edged.config import reading
from edged.contracts.errors import BadRequest, ConfigError, NotReady
from tests.broker import until

ROOT = Path(__file__).parent.parent.parent


def test_without_mosquitto_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(broker, "find_mosquitto", lambda: None)
    with pytest.raises(ConfigError, match="apt-get install mosquitto"):
        broker.ScratchBroker(tmp_path / "broker")


def test_without_a_model_it_says_what_to_pull(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("services: {image-classification: {}}\n")
    with pytest.raises(NotReady, match="edged pull"):
        choose(reading.load(path))


def test_a_fault_that_there_is_not_is_named():
    with pytest.raises(BadRequest, match="no fault is called 'earthquake'; there are daemon-killed"):
        chosen(["garbage", "earthquake"])
    assert [fault.name for fault in chosen(["garbage", "daemon-killed"])] == ["daemon-killed", "garbage"]
    assert chosen([]) == list(FAULTS.values())


def test_each_fault_says_what_it_does_and_what_must_hold_and_stands_in_the_documents():
    page = (ROOT / "docs" / "chaos.md").read_text("utf-8")
    for fault in FAULTS.values():
        assert "holds: " in (fault.inflict.__doc__ or "")
        assert f"| `{fault.name}` |" in page


@pytest.fixture
def camera():
    made = ScratchCamera([b"one", b"two"])
    made.start()
    yield made
    made.thaw()
    made.stop()


def test_a_camera_goes_away_and_comes_back(camera):
    with urllib.request.urlopen(camera.url, timeout=60) as opened:
        assert b"one" in opened.read(200)
        camera.stop()
        opened.read()  # it ends
    with pytest.raises(OSError):
        urllib.request.urlopen(camera.url, timeout=60)
    camera.start()
    with urllib.request.urlopen(camera.url, timeout=60) as opened:
        assert b"two" in opened.read(200)
        camera.freeze()
        with pytest.raises(TimeoutError):
            opened.fp.raw._sock.settimeout(0.5)
            opened.read()


def test_the_memory_of_a_process_is_also_that_of_its_children():
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'input()']); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as parent:
        until(lambda: len(family(parent.pid)) == 2, "a child")
        alone = pss_bytes(family(parent.pid)[1])
        assert pss_bytes(parent.pid) > alone > 0
    assert pss_bytes(parent.pid) == 0


def test_the_time_of_a_process_is_also_that_of_its_children():
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'while True: pass']); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as parent:
        until(lambda: len(family(parent.pid)) == 2, "a child")
        child = family(parent.pid)[1]
        try:
            before = cpu_seconds(parent.pid)
            until(lambda: cpu_seconds(parent.pid) > before + 0.3, "three tenths of a second of the CPU")
        finally:
            os.kill(child, signal.SIGKILL)
    assert cpu_seconds(parent.pid) == 0


def test_the_daemon_does_not_take_the_state_folder_of_a_service(tmp_path, monkeypatch):
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "precious"))
    (tmp_path / "config.yaml").write_text("streams: {")
    daemon = ScratchDaemon(tmp_path / "config.yaml", tmp_path / "log", 1, "")
    daemon.start()
    try:
        assert daemon._process
        environment = Path(f"/proc/{daemon._process.pid}/environ").read_bytes()
        until(lambda: daemon.ended() is not None, "it ends, for the configuration is no YAML")
    finally:
        daemon.close()
    assert b"STATE_DIRECTORY" not in environment
    assert "STATE_DIRECTORY" in os.environ
