"""Fixtures: pulled models, a running daemon, clients."""

from pathlib import Path

import pytest

from tests.e2e.box import CAMERA, Client, Daemon, config_text, free_port, running, until


@pytest.fixture(scope="session")
def models_dir(pulled_yolox) -> Path:
    """A model repository in which yolox-nano is pulled and derived."""
    return pulled_yolox


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

    def start(extra: str = CAMERA, *args: str, port: int | None = None, ready: bool = True) -> Daemon:
        port = port or free_port()
        config = tmp_path / "config.yaml"
        config.write_text(config_text(models_dir, port, extra=extra))
        context = running(config, port, "box", *args)
        made = context.__enter__()
        stack.append(context)
        if ready:
            until(lambda: made.said("broker:") or made.process.poll() is not None, 90, "readiness")
        return made

    yield start
    for context in reversed(stack):
        context.__exit__(None, None, None)
