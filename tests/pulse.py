"""A real PulseAudio of its own, with null sinks: what is played into one is heard by a microphone."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edged.media.sound import RATE
from tests.broker import until

PACKAGES = "pulseaudio pulseaudio-utils libportaudio2 libasound2-plugins"
SINKS = ("kitchen", "hall")
"""Names of the microphones, there or not."""
_SERVER = 'pcm.pulse {type pulse hint.description "pulse"}\n'
_MICROPHONE = 'pcm.{name} {{ type pulse device {sink}.monitor hint.description "{name}" }}\n'


def require_pulseaudio() -> None:
    """Skip where PulseAudio is not installed; in CI that is a failure."""
    if shutil.which("pulseaudio") and shutil.which("pactl"):
        return
    why = f"PulseAudio is missing: apt-get install {PACKAGES}"
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


class NullSink:
    """A server whose sinks are microphones: `kitchen`, which is `default` too, is there, `hall` is not."""

    def __init__(self) -> None:
        """Not yet started. Its folder has a short name, for that of a socket has at most 108 letters."""
        self._folder = tempfile.TemporaryDirectory(prefix="pulse-")
        folder = Path(self._folder.name)
        self._socket = folder / "native"
        alsa = folder / "asound.conf"
        lines = [_MICROPHONE.format(name=name, sink=name) for name in SINKS]
        alsa.write_text(_MICROPHONE.format(name="!default", sink=SINKS[0]) + "".join(lines) + _SERVER)
        self.environment = {
            "ALSA_CONFIG_PATH": str(alsa),
            "DBUS_SESSION_BUS_ADDRESS": "disabled:",
            "HOME": str(folder),
            "PULSE_RUNTIME_PATH": str(folder),
            "PULSE_SERVER": f"unix:{self._socket}",
            "XDG_RUNTIME_DIR": str(folder),
        }
        """For a process that listens: it finds this server and nothing else."""
        self._modules: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when the kitchen can be heard."""
        options = ("-n", "--daemonize=no", "--exit-idle-time=-1", "--disable-shm=yes", "--use-pid-file=no")
        socket = f"--load=module-native-protocol-unix socket={self._socket}"
        self._process = subprocess.Popen(
            ["pulseaudio", *options, "--log-level=error", socket], env=self._environment()
        )
        until(self._socket.exists, "PulseAudio listens")
        self.plug_in(SINKS[0])

    def stop(self) -> None:
        """All of it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
        self._folder.cleanup()

    def plug_in(self, sink: str) -> None:
        """The microphone appears."""
        self._modules[sink] = self._pactl(
            "load-module", "module-null-sink", f"sink_name={sink}", "norewinds=1"
        )

    def pull_out(self, sink: str) -> None:
        """It vanishes."""
        self._pactl("unload-module", self._modules.pop(sink))

    def play(self, sound: Path | NDArray[np.float32], sink: str = SINKS[0]) -> None:
        """Let the microphone hear a file (WAV, FLAC, Ogg), or mono samples of 16 kHz, to the end."""
        command = ["paplay", f"--device={sink}", "--latency-msec=1000"]
        if isinstance(sound, Path):
            subprocess.run([*command, str(sound)], env=self._environment(), check=True)
            return
        raw = ("--raw", f"--rate={RATE}", "--format=float32le", "--channels=1")
        data = np.ascontiguousarray(sound, "<f4").tobytes()
        subprocess.run([*command, *raw], input=data, env=self._environment(), check=True)

    def _pactl(self, *arguments: str) -> str:
        done = subprocess.run(
            ["pactl", *arguments], env=self._environment(), capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def _environment(self) -> dict[str, str]:
        return {**os.environ, **self.environment}
