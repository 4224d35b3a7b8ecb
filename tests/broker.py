"""A real mosquitto on a free port, and waiting for what must happen."""

import contextlib
import os
import random
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path

from edged.mqtt.broker import find_mosquitto

LIMIT = 60.0
"""Seconds; generous, for the machine may be busy."""


def until(condition: Callable[[], object], what: str = "", limit: float = LIMIT) -> None:
    """Wait for a condition; fail with `what` after a generous limit."""
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what or condition}"
        time.sleep(0.02)


def _ports() -> Iterator[int]:
    """Below those that the kernel gives to whoever connects; each worker of pytest-xdist has its own.

    So nobody takes one between its choice and its use, nor while a broker is down that comes back. In any
    order, for other test runs may be under way.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = 10_000 + worker % 8 * 2_500
    return cycle(random.SystemRandom().sample(range(first, first + 2_500), 2_500))


_PORTS = _ports()


def free_port() -> int:
    """Where nobody listens; none is given twice."""
    while True:
        with contextlib.suppress(OSError), socket.socket() as sock:
            sock.bind(("127.0.0.1", port := next(_PORTS)))
            return port


class Mosquitto:
    """A broker that can be stopped, killed and started again on the same port."""

    def __init__(self, folder: Path, *lines: str, anonymous: bool = True) -> None:
        self.port = free_port()
        self.url = f"mqtt://127.0.0.1:{self.port}"
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            "\n".join(
                (
                    f"listener {self.port} 127.0.0.1",
                    f"allow_anonymous {str(anonymous).lower()}",
                    "user root",
                    "max_queued_messages 100000",
                    "set_tcp_nodelay true",
                    *lines,
                )
            )
            + "\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self._process is not None, "it does not run"
        return self._process.pid

    def start(self) -> None:
        program = find_mosquitto()
        assert program, "mosquitto is needed for these tests"
        self._process = subprocess.Popen(
            [str(program), "-c", str(self._config)], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        until(self._accepts, "mosquitto takes connections")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None

    def kill(self) -> None:
        """What it had taken and not given on is lost."""
        if self._process is not None:
            self._process.kill()
        self.stop()

    def _accepts(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.5):
            return True
        return False
