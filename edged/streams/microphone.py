"""Where a stream's sound comes from: a microphone, the sound of a camera, or a file.

Microphones are those of ALSA, and through its plugins of PulseAudio and PipeWire. See `recorder`.
"""

import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from edged.contracts.errors import SourceError
from edged.flow.counters import Counters
from edged.media.chunks import ChunkCutter, SoundChunk
from edged.media.sound import RATE, Converter
from edged.media.source import SourceOptions
from edged.media.track import open_track
from edged.streams import recorder
from edged.streams.camera import CameraSettings, Damage
from edged.streams.recorder import DEFAULT, HEADER, Microphone

SCHEME = "mic:"
BEGIN_S = 5.0
"""A device may take so long to begin: PulseAudio fills its buffers, Bluetooth changes its profile."""
SILENT_S = 2.0
"""A device that hands over nothing for so long has vanished; silence is handed over, too."""
LIST_S = 20.0
"""PortAudio tries each device before it lists them."""
TICK_S = 0.1
"""How often a reader that waits looks whether it shall stop."""

_NO_ANSWER = "PortAudio cannot look for microphones; is there a sound card, and does ALSA know it?"
_RECORDER = (sys.executable, "-P", str(Path(recorder.__file__)))
_FLOAT_BYTES = 4


def microphone_name(source: str) -> str | None:
    """`kitchen` of `mic:kitchen`; none for a source that is no microphone."""
    return source.removeprefix(SCHEME).strip() or DEFAULT if source.startswith(SCHEME) else None


def microphones() -> list[Microphone]:
    """All that there are now. Raises `SourceError` where PortAudio is not installed or does not answer."""
    try:
        done = subprocess.run(
            [*_RECORDER, "list"], stdin=subprocess.DEVNULL, capture_output=True, timeout=LIST_S, check=True
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise SourceError(_NO_ANSWER) from error
    return [Microphone(**found) for found in _answer(done.stdout)]


def _answer(line: bytes) -> Any:
    """What the recorder says first."""
    said = json.loads(line)
    if "error" in said:
        raise SourceError(said["error"])
    return said


class SoundSource:
    """Runs one opening of a source of sound."""

    def __init__(self, name: str, settings: CameraSettings, counters: Counters) -> None:
        """`name` is the stream's; what cannot be decoded, or came too fast, is counted as dropped."""
        self._name = name
        self._settings = settings
        self._counters = counters

    def run(self, emit: Callable[[SoundChunk], None], stop: threading.Event) -> None:
        """Call `emit` with each chunk until `stop` is set or a file has ended. Raises `SourceError`."""
        settings = self._settings
        if (microphone := microphone_name(settings.source)) is not None:
            chunks = open_microphone(microphone, Damage(self._name, self._counters, "overrun"), stop)
        else:
            options = SourceOptions(
                timeout_s=settings.timeout_s,
                rtsp_transport=settings.rtsp_transport,
                redirect_hosts=settings.redirect_hosts,
                loop=settings.loop,
                real_time=settings.real_time,
                damaged=Damage(self._name, self._counters, "damaged"),
            )
            chunks = open_track(settings.source, options, stop)
        for chunk in chunks:
            emit(chunk)


def open_microphone(name: str, lost: Callable[[str], None], stop: threading.Event) -> Iterator[SoundChunk]:
    """What a microphone hears, until `stop` is set.

    `name` is `default`, an index, or a part of a device's name; `lost` is called with the reason whenever
    sound was lost. Raises `SourceError` for a device that is not there, cannot be opened or vanishes.
    """
    with closing(_Recording(name)) as recording:
        cutter, converter, due = ChunkCutter(), Converter(), 0
        for block in recording.blocks(stop):
            if block.overflow:
                lost("the driver had no room for more sound")
            if missed := block.first - due:
                lost("the box is too busy to listen")
                cutter.lose(round(missed * RATE / recording.rate))
            due = block.first + len(block.samples)
            for samples in converter.add(_frame(block.samples, recording.rate)):
                yield from cutter.add(samples, block.arrived)


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """What PortAudio hands over at a time."""

    samples: NDArray[np.float32]
    """[n, channels], at the device's rate."""
    first: int
    """Samples that it handed over before."""
    arrived: float
    """Seconds since the epoch."""
    overflow: bool
    """Whether the driver lost sound before it."""


class _Recording:
    """A recorder at work."""

    def __init__(self, name: str) -> None:
        self.rate = RATE
        self._name = name
        self._held = b""
        self._end = _NO_ANSWER
        self._output, its_end = os.pipe()
        self._process = subprocess.Popen(
            [*_RECORDER, "record", name],
            stdin=subprocess.PIPE,
            stdout=its_end,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the daemon, which ends it in its turn
        )
        os.close(its_end)

    def blocks(self, stop: threading.Event) -> Iterator[_Block]:
        """In order, until `stop` is set; raises `SourceError` when no more come."""
        while b"\n" not in self._held:
            if not self._more(stop, BEGIN_S):
                return
        line, _, self._held = self._held.partition(b"\n")
        form = _answer(line)
        self._name, self.rate, channels = form["name"], form["rate"], form["channels"]
        self._end = f"microphone {self._name} has vanished; is it still plugged in?"
        limit = BEGIN_S
        while True:
            while (block := self._block(channels)) is None:
                if not self._more(stop, limit):
                    return
            limit = SILENT_S
            yield block

    def close(self) -> None:
        """Record no more."""
        self._process.kill()
        self._process.communicate()
        os.close(self._output)

    def _block(self, channels: int) -> _Block | None:
        """The next one, if all of it is here."""
        if len(self._held) < HEADER.size:
            return None
        arrived, first, count, overflow = HEADER.unpack_from(self._held)
        end = HEADER.size + count * channels * _FLOAT_BYTES
        if len(self._held) < end:
            return None
        samples = np.frombuffer(self._held[HEADER.size : end], "<f4").reshape(count, channels)
        self._held = self._held[end:]
        return _Block(samples, first, arrived, overflow)

    def _more(self, stop: threading.Event, limit: float) -> bool:
        """Wait for more bytes; whether they came, and not the `stop`. Raises `SourceError`."""
        ready = select.poll()
        ready.register(self._output, select.POLLIN)
        deadline = time.monotonic() + limit
        while not stop.is_set():
            if ready.poll(TICK_S * 1000):
                if not (data := os.read(self._output, 1 << 16)):
                    raise SourceError(self._end)
                self._held += data
                return True
            if time.monotonic() > deadline:
                raise SourceError(f"microphone {self._name} sent nothing for {limit:g} s")
        return False


def _frame(samples: NDArray[np.float32], rate: int) -> av.AudioFrame:
    """All channels as one."""
    frame = av.AudioFrame.from_ndarray(samples.mean(axis=1)[None], "flt", "mono")
    frame.sample_rate = rate
    return frame
