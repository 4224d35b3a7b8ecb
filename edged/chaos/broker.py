"""A mosquitto of our own, which is ended, killed and frozen."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from edged.contracts.errors import ConfigError, EdgedError
from edged.mqtt.broker import find_mosquitto

READY_S = 20.0
"""Seconds in which it must take connections."""
SAVED_EVERY_S = 1
"""So often mosquitto writes down what waits, beside when it ends as it is told to."""


def free_port() -> int:
    """A TCP port of this machine on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def mortal(command: list[str]) -> list[str]:
    """The command, so that its process ends with ours, where the system can see to it."""
    return ["setpriv", "--pdeathsig", "KILL", *command] if shutil.which("setpriv") else command


class ScratchBroker:
    """mosquitto on a free port, with what it keeps in a folder."""

    def __init__(self, folder: Path) -> None:
        """Raises `ConfigError` where it is not installed."""
        program = find_mosquitto()
        if program is None:
            raise ConfigError(
                "`edged chaos` needs mosquitto: install it, e.g. `sudo apt-get install mosquitto`"
            )
        folder.mkdir(mode=0o700)
        self.port = free_port()
        config = folder / "mosquitto.conf"
        config.write_text(_config(self.port, folder), "utf-8")
        self._command = mortal([str(program), "-c", str(config)])
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it takes connections. Raises `EdgedError` when it does not."""
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )
        until = time.monotonic() + READY_S
        while not self._accepts():
            if self._process.poll() is not None or time.monotonic() > until:
                raise EdgedError("the scratch broker does not start")
            time.sleep(0.02)

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """SIGTERM: it writes down what waits; SIGKILL: it forgets what came since it last did."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(READY_S)
            self._process = None

    def freeze(self) -> None:
        """Its connections stay open, and nothing moves on them."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """End it, whatever state it is in."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _accepts(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.5):
            return True
        return False


def _config(port: int, folder: Path) -> str:
    return f"""\
listener {port} 127.0.0.1
allow_anonymous true
user {pwd.getpwuid(os.geteuid()).pw_name}
persistence true
persistence_location {folder}/
autosave_interval {SAVED_EVERY_S}
max_inflight_messages 0
max_queued_messages 100000
set_tcp_nodelay true
"""
