"""A box that never sees a network: set up from a stick alone, in a network namespace without a route.

What `docs/offline.md` says is done step by step. The machine that fills the stick has a package index.
"""

import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from tests.broker import free_port

ROOT = Path(__file__).parent.parent.parent
MODEL = "yolox-nano"
LIMIT_S = 1500
REACH = "import socket; socket.create_connection(('127.0.0.1', {port}), 5)"


def apart(*command, **more):
    """Run a command where there is no network, not even this machine's own."""
    return subprocess.run(
        ["unshare", "--map-root-user", "--net", *command],
        **{"capture_output": True, "text": True, "timeout": LIMIT_S} | more,
        check=False,
    )


pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(2 * LIMIT_S),
    pytest.mark.skipif(
        apart("true").returncode != 0, reason="this kernel or container makes no network namespaces"
    ),
]


@pytest.fixture(scope="module")
def stick(tmp_path_factory, models_root):
    """Filled where there is a network: the packages, edged itself, and the files of one model."""
    stick = tmp_path_factory.mktemp("stick")
    wheels = stick / "wheels"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    lock = ["--require-hashes", "--only-binary=:all:", "-r", "packaging/run.lock"]
    for command in (
        [*pip, "download", *lock, "-d", wheels],
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", wheels],
    ):
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=LIMIT_S)
    config = stick / "config.yaml"
    config.write_text(f"paths: {{models: {models_root}}}\n")
    edged = [sys.executable, "-c", "from edged.cli import main; main()"]
    subprocess.run(
        [*edged, "mirror", MODEL, stick / "models", "-c", config],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=LIMIT_S,
    )
    config.unlink()
    return stick


@pytest.fixture(scope="module")
def box(stick, tmp_path_factory):
    """Runs a command in a box without a network, in its own folder and environment."""
    home = tmp_path_factory.mktemp("box")
    environment = {"PATH": f"{home / 'venv' / 'bin'}:{os.environ['PATH']}", "HOME": str(home)}

    def run(*command, code=0):
        done = apart(*command, cwd=home, env=environment)
        assert done.returncode == code, done.stderr
        return done.stdout

    run(sys.executable, "-m", "venv", "venv")
    wheels = ["--no-index", "--find-links", stick / "wheels"]
    run("pip", "install", "--quiet", *wheels, "edged[broker]")
    return run


def test_there_is_no_network(box):
    box("python", "-c", REACH.format(port=free_port()), code=1)
    assert "edged" in box("pip", "list")


def test_what_is_on_the_stick_is_enough(box, stick, media):
    assert "edged pull" in box("edged", "infer", "object-detection", media("chelsea.png"), code=1)
    box("edged", "pull", MODEL, "--from", stick / "models")
    answer = orjson.loads(box("edged", "infer", "object-detection", media("chelsea.png")))
    assert answer["detection_class_names"] == ["cat"]


def test_without_the_stick_it_is_said_what_cannot_be_had(box):
    outcome = orjson.loads(box("edged", "pull", "yolox-nano", "picodet-416", "--json", code=1))
    assert {row["model"]: row["had"] for row in outcome} == {"yolox-nano": True, "picodet-416": False}
    assert "cannot be had" in outcome[1]["why_not"]
