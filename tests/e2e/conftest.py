"""Fixtures: pulled models, a running daemon, clients."""

from pathlib import Path

import pytest

from tests.broker import free_port, until
from tests.e2e.box import CAMERA, ROOT, Client, Daemon, config_text, running
from tests.opened import install


@pytest.fixture(scope="session")
def models_dir(models_root) -> Path:
    """The model repository that all tests share, with both detectors pulled."""
    install(ROOT, "picodet-416", "yolox-nano", models=models_root)
    return models_root


@pytest.fixture
def client():
    """Make clients that are closed at the end."""
    made: list[Client] = []

    def make(port: int, *topics: str) -> Client:
        made.append(Client(port, *topics))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def daemon(tmp_path, models_dir):
    """Start a daemon with the demo camera (or other YAML) and wait until its service is ready."""
    stack = []

    def start(
        extra: str = CAMERA,
        *args: str,
        port: int | None = None,
        http: int | None = None,
        ready: bool = True,
    ) -> Daemon:
        port = port or free_port()
        config = tmp_path / "config.yaml"
        config.write_text(config_text(models_dir, port, extra=extra, http=http))
        context = running(config, port, "box", *args)
        made = context.__enter__()
        stack.append(context)
        if ready:
            until(lambda: made.said("subscribe to:") or made.process.poll() is not None, "readiness", 90)
        return made

    yield start
    for context in reversed(stack):
        context.__exit__(None, None, None)
