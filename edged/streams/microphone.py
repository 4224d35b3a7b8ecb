"""Where a stream's sound comes from: a microphone by PortAudio, the sound of a camera, or a file.

PortAudio reaches ALSA, and through ALSA's plugins PulseAudio and PipeWire. It looks for devices when it is
initialised, so it is initialised by its first user and left by its last: a microphone that was plugged in
meanwhile is found then, but not while another one records.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from itertools import product
from types import ModuleType
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from edged.contracts.errors import SourceError
from edged.flow.counters import Counters
from edged.media.chunks import Cutter, SoundChunk
from edged.media.sound import RATE, Converter
from edged.media.source import SourceOptions
from edged.media.track import open_track
from edged.streams.camera import CameraSettings, Damage

SCHEME = "mic:"
DEFAULT = "default"
"""The name that stands for whatever the system records from."""
BLOCK_S = 0.096
"""PortAudio hands over so much at a time."""
MOST_BLOCKS = 100
"""So many wait for a slow reader, about 10 s; then the oldest are dropped."""
BEGIN_S = 5.0
"""A device may take so long to begin: PulseAudio fills its buffers, Bluetooth changes its profile."""
SILENT_S = 2.0
"""A device that hands over nothing for so long has vanished; silence is handed over, too."""
TICK_S = 0.1
"""How often a reader that waits looks whether it shall stop."""

_REFUSED_FORMS = (-9998, -9997)
"""PortAudio's errors paInvalidChannelCount and paInvalidSampleRate."""
_LOCK = threading.Lock()
"""PortAudio is not made for several threads, but for its own."""


@dataclass(frozen=True, slots=True)
class Microphone:
    """A device that can record."""

    index: int
    name: str
    channels: int
    rate: float
    """Samples a second, that it likes best."""


def microphone_name(source: str) -> str | None:
    """`kitchen` of `mic:kitchen`; none for a source that is no microphone."""
    return source.removeprefix(SCHEME).strip() or DEFAULT if source.startswith(SCHEME) else None


def microphones() -> list[Microphone]:
    """All that there are now. Raises `SourceError` where PortAudio is not installed."""
    with _portaudio() as portaudio:
        return _listed(portaudio)


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
    with _portaudio() as portaudio, closing(_Recorder(portaudio, _named(portaudio, name))) as recorder:
        cutter, converter, due = Cutter(), Converter(), 0
        for block in recorder.blocks(stop):
            if block.overflow:
                lost("the driver had no room for more sound")
            if missed := block.first - due:
                lost("the box is too busy to listen")
                cutter.lose(round(missed * RATE / recorder.rate))
            due = block.first + len(block.samples)
            for samples in converter.add(_frame(block.samples, recorder.rate)):
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


class _Recorder:
    """An open device: a thread of PortAudio leaves blocks, a reader takes them."""

    def __init__(self, portaudio: ModuleType, device: Microphone) -> None:
        """Begins to record. Raises `SourceError`."""
        self._name = device.name
        self._left: deque[_Block] = deque(maxlen=MOST_BLOCKS)
        self._count = 0
        self._ended = False
        self._news = threading.Condition()
        with _LOCK:
            try:
                self._stream = self._started(portaudio, device)
            except portaudio.PortAudioError as error:
                raise SourceError(
                    f"microphone {self._name} cannot be opened ({error}); is it plugged in and free, and is "
                    "this user in the group `audio`?"
                ) from error
        self.rate = round(self._stream.samplerate)

    def _started(self, portaudio: ModuleType, device: Microphone) -> Any:
        """At 16 kHz with one channel where the device can, else as it likes best."""
        *forms, last = product((RATE, round(device.rate)), (1, device.channels))
        for form in forms:
            try:
                return self._started_as(portaudio, device, *form)
            except portaudio.PortAudioError as error:
                if error.args[1] not in _REFUSED_FORMS:
                    raise
        return self._started_as(portaudio, device, *last)

    def _started_as(self, portaudio: ModuleType, device: Microphone, rate: int, channels: int) -> Any:
        stream = portaudio.InputStream(
            device=device.index,
            samplerate=rate,
            channels=channels,
            dtype="float32",
            blocksize=round(rate * BLOCK_S),
            callback=self._leave,
            finished_callback=self._end,
        )
        try:
            stream.start()
        except portaudio.PortAudioError:
            stream.close()
            raise
        return stream

    def blocks(self, stop: threading.Event) -> Iterator[_Block]:
        """In order, until `stop` is set; raises `SourceError` when no more come."""
        limit = BEGIN_S
        deadline = time.monotonic() + limit
        while not stop.is_set():
            with self._news:
                self._news.wait_for(lambda: self._left or self._ended, TICK_S)
                block = self._left.popleft() if self._left else None
            if block is not None:
                limit = SILENT_S
                deadline = time.monotonic() + limit
                yield block
            elif self._ended:
                raise SourceError(f"microphone {self._name} has vanished; is it still plugged in?")
            elif time.monotonic() > deadline:
                raise SourceError(f"microphone {self._name} sent nothing for {limit:g} s")

    def close(self) -> None:
        """Record no more."""
        with _LOCK:
            self._stream.abort()  # the close of some versions hangs without
            self._stream.close()

    def _leave(self, samples: NDArray[np.float32], count: int, _times: object, status: Any) -> None:
        """Called by PortAudio, to which the array belongs."""
        block = _Block(samples.copy(), self._count, time.time(), bool(status.input_overflow))
        with self._news:
            self._count += count
            self._left.append(block)
            self._news.notify()

    def _end(self) -> None:
        """Called by PortAudio when the device is gone, or closed."""
        with self._news:
            self._ended = True
            self._news.notify()


def _frame(samples: NDArray[np.float32], rate: int) -> av.AudioFrame:
    """All channels as one."""
    frame = av.AudioFrame.from_ndarray(samples.mean(axis=1)[None], "flt", "mono")
    frame.sample_rate = rate
    return frame


@cache
def _library() -> ModuleType:
    """sounddevice, which initialises PortAudio when it is imported; that is undone."""
    try:
        portaudio = import_module("sounddevice")
    except OSError as error:
        packages = "libportaudio2 libasound2-plugins"
        raise SourceError(f"microphones need PortAudio: apt-get install {packages}") from error
    portaudio._terminate()
    return portaudio


@contextmanager
def _portaudio() -> Iterator[ModuleType]:
    """sounddevice with PortAudio initialised, which counts its users."""
    with _LOCK:
        portaudio = _library()
        portaudio._initialize()
    try:
        yield portaudio
    finally:
        with _LOCK:
            portaudio._terminate()


def _listed(portaudio: ModuleType) -> list[Microphone]:
    return [
        Microphone(index, device["name"], device["max_input_channels"], device["default_samplerate"])
        for index, device in enumerate(portaudio.query_devices())
        if device["max_input_channels"] > 0
    ]


def _named(portaudio: ModuleType, name: str) -> Microphone:
    """The one that is meant. Raises `SourceError` with the names that there are."""
    listed = _listed(portaudio)
    if not listed:
        raise SourceError("no microphone is found; is one plugged in, and is this user in the group `audio`?")
    if name == DEFAULT:
        fits = [device for device in listed if device.index == portaudio.default.device[0]]
    else:
        wanted = name.casefold()
        fits = [device for device in listed if wanted in (device.name.casefold(), str(device.index))]
        fits = fits or [device for device in listed if wanted in device.name.casefold()]
    if len(fits) == 1:
        return fits[0]
    names = ", ".join(device.name for device in fits or listed)
    if fits:
        raise SourceError(f"{name} is in the names of several microphones, write more of one: {names}")
    raise SourceError(f"there is no microphone {name}; there are: {names}")
