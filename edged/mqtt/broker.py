"""The embedded broker: mosquitto as a child process where it is installed, else amqtt in one."""

import contextlib
import errno
import importlib.util
import logging
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from edged.contracts.errors import ConfigError
from edged.flow.backoff import delays
from edged.flow.private import private_folder
from edged.mqtt.orphan import end_orphan, waited
from edged.mqtt.passwords import write_passwords
from edged.mqtt.settings import BrokerAddress, MqttSettings, Version
from edged.requests.journal import Durability

log = logging.getLogger(__name__)

READY_S = 10.0
"""Seconds in which the broker must take connections."""
STABLE_S = 10.0
ROOM = 1_000_000
"""Bytes of a packet beside the longest request or answer. What is little too long is answered 413 by us."""
AUTOSAVE_S = 1
"""Under `durability: power`: so often mosquitto writes down what waits; half an hour by itself."""
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
_CONFIG = "mosquitto.conf"
_END_S = 5.0
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "PYTHONPATH", "LD_LIBRARY_PATH")
"""What the child sees of our environment, which may hold the passwords of config.yaml's `${VAR}`."""

_KEEPING: Mapping[Durability, str] = {
    "memory": "persistence true",
    "process": "persistence true",
    "power": f"persistence true\nautosave_interval {AUTOSAVE_S}",
}
"""What mosquitto writes down of what waits."""


def find_mosquitto() -> Path | None:
    """The program; Debian installs it where ordinary users do not look."""
    found = shutil.which(
        "mosquitto", path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
    )
    return Path(found) if found else None


def embedded_versions() -> tuple[Version, ...]:
    """What the embedded broker speaks. amqtt is never asked for 5: it would not answer, not even with no."""
    return ("5", "3.1.1") if find_mosquitto() else ("3.1.1",)


class _Home:
    """Where the broker's files are: on the disk, or in memory while that cannot be written."""

    def __init__(self, folder: Path, keeping: str) -> None:
        self.folder = folder
        self.keeping = keeping
        """What mosquitto writes down, as lines of its configuration."""
        self.state = "running"
        """Of a broker that lives here."""
        self._memory: tempfile.TemporaryDirectory[str] | None = None

    def leave_disk(self, error: OSError) -> None:
        """A broker that keeps nothing is better than none; until the next start."""
        self.state = f"in memory only, until the next start: {error}"
        log.error("the embedded broker cannot write; it runs %s", self.state)
        usable = _MEMORY if os.access(_MEMORY, os.W_OK) else None
        self._memory = tempfile.TemporaryDirectory(prefix="edged-broker-", dir=usable)
        self.folder, self.keeping = Path(self._memory.name), "persistence false"

    def note(self, child: subprocess.Popen[bytes] | None) -> None:
        """For the next run, should this one be killed. Without it pdeathsig is enough."""
        with contextlib.suppress(OSError):
            if child is None:
                self.pid_file.unlink(missing_ok=True)
            else:
                self.pid_file.write_text(f"{child.pid} {os.getpid()}")

    @property
    def pid_file(self) -> Path:
        """Holds the number of the process, and ours."""
        return self.folder / "broker.pid"

    def close(self) -> None:
        """Leave nothing in memory."""
        if self._memory is not None:
            self._memory.cleanup()


class EmbeddedBroker:
    """A unit. The child dies with us; when it dies alone, it is started again with growing pauses."""

    def __init__(
        self,
        settings: MqttSettings,
        state_dir: Path,
        max_answer_bytes: int,
        durability: Durability = "process",
    ) -> None:
        self._settings = settings
        self._largest = max(settings.max_payload_bytes, max_answer_bytes) + ROOM
        self._address: BrokerAddress = settings.address
        self._listen = BrokerAddress(settings.embedded_listen, settings.embedded_port)
        self._home = _Home(state_dir.absolute() / "broker", _KEEPING[durability])
        self._command: list[str] = []
        self._child: subprocess.Popen[bytes] | None = None
        self._state = "starting"
        self._ready = threading.Event()
        self._stopping = threading.Event()
        self._beat = time.monotonic()
        self._thread = threading.Thread(target=self._supervise, name="broker", daemon=True)

    def start(self) -> None:
        """Start it, and wait until it takes connections. Where the disk cannot be written, it runs without.

        Raises `ConfigError` when no broker is installed, or another program has the port.
        """
        end_orphan(self._home.pid_file, self._home.folder / _CONFIG)
        self._home.note(None)
        _check_port(self._listen, self._address)
        try:
            self._command = self._prepared()
        except OSError as error:
            self._home.leave_disk(error)
            self._command = self._prepared()
        self._thread.start()
        if not self._ready.wait(READY_S):
            log.warning("the embedded broker is slow to start; the connection to it is tried again and again")

    def stop(self) -> None:
        """End the child."""
        self._stopping.set()
        self._end_child()
        if self._thread.ident is not None:
            self._thread.join(timeout=2 * _END_S)
        self._home.close()

    def state(self) -> str:
        """`running`, or why not."""
        return self._state

    def beat(self) -> float:
        """Last sign of life of the supervisor."""
        return self._beat

    def _prepared(self) -> list[str]:
        """The command, with all that it reads. Raises `OSError`."""
        private_folder(self._home.folder)
        return _command(self._listen, self._home, self._largest, self._write_passwords())

    def _write_passwords(self) -> Path | None:
        """The file of passwords; none: everybody on this machine is let in."""
        settings, path = self._settings, self._home.folder / "passwords"
        if settings.username is None or settings.password is None:
            path.unlink(missing_ok=True)
            return None
        write_passwords(path, settings.username, settings.password.get_secret_value())
        return path

    def _supervise(self) -> None:
        waits = delays()
        while not self._stopping.is_set():
            started = time.monotonic()
            reason = self._run_once()
            if self._stopping.is_set():
                break
            self._state = f"the embedded broker ended ({reason}); it is started again"
            log.error("%s", self._state)
            if time.monotonic() - started > STABLE_S:
                waits = delays()
            until = time.monotonic() + next(waits)
            while time.monotonic() < until and not self._stopping.wait(0.5):
                self._beat = time.monotonic()
        self._state = "stopped"

    def _run_once(self) -> str:
        """One life of the child; why it ended."""
        try:
            child = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env={name: value for name in _INHERITED if (value := os.environ.get(name)) is not None},
                process_group=0,  # Ctrl-C is for us; the broker must live until the last answer is out
            )
        except OSError as error:
            return str(error)
        self._child = child
        self._home.note(child)
        errors = threading.Thread(target=_log_lines, args=(child,), name="broker-log", daemon=True)
        errors.start()
        if (
            waited(lambda: _accepts(self._address) or child.poll() is not None, READY_S)
            and child.poll() is None
        ):
            self._state = self._home.state
            self._ready.set()
            log.info("the embedded broker listens at %s", self._listen)
        while child.poll() is None and not self._stopping.wait(0.25):
            self._beat = time.monotonic()
        self._end_child()
        errors.join(timeout=1.0)
        self._home.note(None)
        return f"exit status {child.returncode}"

    def _end_child(self) -> None:
        child = self._child
        if child is None or child.poll() is not None:
            return
        child.terminate()
        try:
            child.wait(_END_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _command(listen: BrokerAddress, home: _Home, largest: int, passwords: Path | None) -> list[str]:
    """What to start. mosquitto keeps all promises, amqtt is better than nothing."""
    if (mosquitto := find_mosquitto()) is not None:
        config = home.folder / _CONFIG
        config.write_text(mosquitto_config(listen, home.folder, largest, passwords, home.keeping), "utf-8")
        command = [str(mosquitto), "-c", str(config)]
    elif importlib.util.find_spec("amqtt") is not None:
        log.warning(
            "mosquitto is not installed, so amqtt is the embedded broker: MQTT 3.1.1 only, no requests "
            "to `edged/any`, and nothing waits for a daemon that was killed; install mosquitto for these"
        )
        command = [sys.executable, "-m", "edged.mqtt.fallback", str(listen), str(largest)]
        command += [str(passwords)] if passwords is not None else []
    else:
        raise ConfigError(
            "mqtt.url: `embedded` needs mosquitto (install your system's package) or amqtt "
            "(install edged[broker]); or name a broker: mqtt://host"
        )
    # the thread that starts the child lives as long as it should: the signal comes when that thread ends
    return ["setpriv", "--pdeathsig", "TERM", *command] if shutil.which("setpriv") else command


def _check_port(listen: BrokerAddress, address: BrokerAddress) -> None:
    """Raises `ConfigError` when nobody can listen there; `address` is how we would connect to who does."""
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((listen.host, listen.port))
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise ConfigError(
                    f"mqtt.embedded_listen: this machine has no address {listen.host}"
                ) from error
            if error.errno != errno.EADDRINUSE:
                raise ConfigError(f"mqtt.embedded_port: {listen}: {error.strerror}") from error
            raise ConfigError(
                f"mqtt.embedded_port: another program listens at {listen}; choose another port, "
                f"or, if it is the broker to be used, set mqtt.url to mqtt://{address}"
            ) from error


def mosquitto_config(
    listen: BrokerAddress, folder: Path, largest: int, passwords: Path | None, keeping: str
) -> str:
    """Never drops or holds back a message, for the daemon itself says 429. `keeping`: what it persists.

    Who sends a packet of more than `largest` bytes is told so and hung up on before it is read. With
    `message_size_limit` mosquitto reads it, and tells a client of MQTT 3.1.1 that all is well.
    """
    admission = (
        "allow_anonymous true" if passwords is None else f"allow_anonymous false\npassword_file {passwords}"
    )
    return f"""\
listener {listen.port} {listen.host}
{admission}
user {pwd.getpwuid(os.geteuid()).pw_name}
{keeping}
persistence_location {folder}/
max_inflight_messages 0
max_queued_messages 100000
max_packet_size {largest}
set_tcp_nodelay true
log_dest stderr
log_type error
log_type warning
"""


def _accepts(address: BrokerAddress) -> bool:
    try:
        socket.create_connection((address.host, address.port), timeout=0.5).close()
    except OSError:
        return False
    return True


def _log_lines(child: subprocess.Popen[bytes]) -> None:
    """What the child says, into our log."""
    assert child.stderr is not None  # noqa: S101 - opened as a pipe above
    with child.stderr:
        for line in child.stderr:
            log.warning("broker: %s", line.decode(errors="replace").strip())
