"""A daemon of our own, started again by us as systemd would do it."""

import contextlib
import http.client
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from edged.chaos.broker import mortal
from edged.chaos.memory import pss_bytes
from edged.contracts.errors import EdgedError

READY_S = 120.0
"""Seconds in which it must be ready; generous, for the box may be busy."""
END_S = 60.0
"""And in which it must end when it is told to."""
_COMMAND = [sys.executable, "-c", "from edged.cli import main; main()", "run", "--quiet", "--config"]
_NOT_OURS = ("STATE_DIRECTORY", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
"""What systemd told us of a service that the scratch daemon is not."""


class ScratchDaemon:
    """`edged run` in a process of its own, with its log in a file that we write."""

    def __init__(self, config: Path, log: Path, http_port: int, token: str) -> None:
        self._config = config
        self._log = log
        self._http_port = http_port
        self._token = token
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None

    def start(self, environment: Mapping[str, str] | None = None) -> None:
        """Start it; `environment`: what its own has in addition. `wait_ready` waits for it."""
        inherited = {name: value for name, value in os.environ.items() if name not in _NOT_OURS}
        home = str(Path(__file__).parents[2])
        paths = os.pathsep.join(filter(None, (home, inherited.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            mortal([*_COMMAND, str(self._config)]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**inherited, "PYTHONPATH": paths, **(environment or {})},
            cwd=self._config.parent,
            process_group=0,
        )
        self._reader = threading.Thread(
            target=_copy, args=(self._process, self._log), name="daemon-log", daemon=True
        )
        self._reader.start()

    def wait_ready(self) -> None:
        """Until it answers requests at once. Raises `EdgedError` when it never does."""
        until = time.monotonic() + READY_S
        while not self._ready():
            if self.ended() is not None or time.monotonic() > until:
                raise EdgedError(f"the scratch daemon is not ready; the end of its log:\n{self._said()}")
            time.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL: nothing is said or written any more."""
        self._end(signal.SIGKILL)

    def end(self) -> None:
        """SIGTERM, as `systemctl stop`. Raises `EdgedError` when it does not end."""
        self._end(signal.SIGTERM)

    def reload(self) -> None:
        """SIGHUP, as `systemctl reload`."""
        if self._process is not None:
            self._process.send_signal(signal.SIGHUP)

    def bound_files(self, most: int | None) -> None:
        """No file of it may grow over so many bytes; none: they may again."""
        if self._process is not None:
            _, hard = resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE)
            soft = hard if most is None else most
            resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (soft, hard))

    def ended(self) -> int | None:
        """Exit status of the process when it ended by itself; none: it lives."""
        return self._process.poll() if self._process is not None else None

    @property
    def process_id(self) -> int:
        """Of the process. Raises `EdgedError` before the first start."""
        if self._process is None:
            raise EdgedError("the scratch daemon was not started")
        return self._process.pid

    def memory_bytes(self) -> int:
        """Proportional set size of it and its children."""
        return pss_bytes(self._process.pid) if self._process is not None else 0

    def close(self) -> None:
        """End it, whatever state it is in."""
        if self._process is not None and self._process.poll() is None:
            self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise EdgedError(f"the scratch daemon did not end within {END_S:g} s of {how.name}") from None

    def _ready(self) -> bool:
        asked = http.client.HTTPConnection("127.0.0.1", self._http_port, timeout=5)
        with contextlib.closing(asked), contextlib.suppress(OSError, http.client.HTTPException):
            asked.request("GET", "/v2/health/ready", headers={"Authorization": f"Bearer {self._token}"})
            return asked.getresponse().status == http.client.OK
        return False

    def _said(self) -> str:
        if self._reader is not None:
            self._reader.join(1)
        return "\n".join(self._log.read_text("utf-8", "replace").splitlines()[-10:])


def _copy(process: subprocess.Popen[bytes], log: Path) -> None:
    """What a process says, to the end of a file. Not by itself: its files may be bounded."""
    assert process.stderr is not None  # noqa: S101 - opened as a pipe above
    with process.stderr, log.open("ab") as file:
        for line in process.stderr:
            file.write(line)
            file.flush()
