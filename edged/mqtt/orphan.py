"""The broker of a run that was killed, where the system did not end it for us."""

import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from edged.contracts.errors import ConfigError

log = logging.getLogger(__name__)

END_S = 5.0
"""It has so long to write down what waits."""


def end_orphan(pid_file: Path, config: Path) -> None:
    """End the process in that file, if it is a broker of ours with that configuration.

    Raises `ConfigError` when the run that started it lives.
    """
    with contextlib.suppress(OSError, ValueError):
        pid, *started_by = map(int, pid_file.read_text().split())  # 0.1.0 wrote one number
        line = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if str(config).encode() in line or b"edged.mqtt.fallback" in line:
            if [parent := int(_stat(pid)[1])] == started_by != [os.getpid()]:
                raise ConfigError(f"paths.state: another edged (process {parent}) runs with this folder")
            log.info("ending the broker that the last run left behind (process %d)", pid)
            os.kill(pid, signal.SIGTERM)
            if not waited(lambda: not _lives(pid), END_S):
                os.kill(pid, signal.SIGKILL)
                waited(lambda: not _lives(pid), END_S)


def waited(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether it was met in time."""
    until = time.monotonic() + seconds
    while not (met := condition()) and time.monotonic() < until:
        time.sleep(0.02)
    return met


def _lives(pid: int) -> bool:
    """Whether it is more than a number of which its new parent has not taken note: some do after seconds."""
    try:
        return _stat(pid)[0] != "Z"
    except OSError:
        return False


def _stat(pid: int) -> list[str]:
    """From its state on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
