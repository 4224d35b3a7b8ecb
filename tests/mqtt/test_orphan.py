"""A broker that a killed run left behind, whatever it does when it is to end."""

import subprocess
import sys
import time

import pytest

from edged.mqtt import orphan

WAITS = "import signal, time; signal.signal(signal.SIGTERM, signal.{}); print(flush=True); time.sleep(600)"


@pytest.fixture
def left_behind(tmp_path):
    """Runs such a program; the file with its number."""
    made = []

    def run(does):
        command = [sys.executable, "-c", WAITS.format(does), str(tmp_path / "broker.conf")]
        made.append(process := subprocess.Popen(command, stdout=subprocess.PIPE))
        assert process.stdout is not None
        process.stdout.readline()
        (tmp_path / "pid").write_text(f"{process.pid} 1")
        return process, tmp_path / "pid"

    yield run
    for one in made:
        one.kill()
        one.communicate()


def test_a_dead_one_is_not_waited_for_though_its_parent_does_not_look(tmp_path, left_behind, monkeypatch):
    monkeypatch.setattr(orphan, "END_S", 60.0)
    process, file = left_behind("SIG_DFL")
    began = time.monotonic()
    orphan.end_orphan(file, tmp_path / "broker.conf")
    assert time.monotonic() - began < 50
    assert process.poll() == -15


def test_one_that_does_not_end_is_killed(tmp_path, left_behind, monkeypatch):
    monkeypatch.setattr(orphan, "END_S", 0.1)
    process, file = left_behind("SIG_IGN")
    orphan.end_orphan(file, tmp_path / "broker.conf")
    assert process.wait(30) == -9


def test_another_program_with_its_number_is_left_alone(tmp_path, left_behind):
    process, file = left_behind("SIG_DFL")
    orphan.end_orphan(file, tmp_path / "other.conf")
    assert process.poll() is None
