"""The process that records a microphone, by PortAudio: `recorder.py list`, or `recorder.py record NAME`.

A process of its own, for PortAudio ends its process by an assertion (its issues 268, 271, 278, 294), or
hangs, where it does not like what a driver does; it writes to stderr what nobody can act on; and it sees only
devices that are there when it begins. This file imports nothing of edged, so it begins quickly.

On stdout comes one line of JSON, `{"error": ...}` or what was asked for; of a record then a `HEADER` and its
samples for each block, until the device is gone. A record ends when its stdin is closed, too.
"""

import json
import os
import re
import struct
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

HEADER = struct.Struct("<dQI?")
"""When a block came, seconds since the epoch; samples that came before it; samples in it; whether the driver
lost some before it. They follow as 32-bit floats, those of all channels side by side."""
BLOCK_S = 0.096
"""PortAudio hands over so much at a time."""
MOST_BLOCKS = 100
"""So many wait for a slow reader, about 10 s; then the oldest are dropped."""
DEFAULT = "default"
"""The name that stands for whatever the system records from."""

KINDS = ("input", "device", "monitor")
"""Of microphones, those that a part of a name rather means first: a sound server hands its inputs to several
at a time, a device of ALSA takes one, and a monitor hears what an output plays."""

_RATE = 16_000
_SERVER = "pulse"
"""The device of ALSA behind which PulseAudio is, or PipeWire."""
_SOURCE = "PULSE_SOURCE"
"""The variable that tells it what to record."""
_LIST_S = 5.0
_FORM = re.compile(r"(\d+)ch (\d+)Hz")
_REFUSED_FORMS = (-9998, -9997)
"""PortAudio's errors paInvalidChannelCount and paInvalidSampleRate."""


@dataclass(frozen=True, slots=True)
class Microphone:
    """A device that can record."""

    index: int
    """Of PortAudio's device; inputs and monitors have that of their server."""
    name: str
    channels: int
    rate: float
    """Samples a second, that it likes best."""
    kind: str = "device"
    """One of `KINDS`."""


class Refused(Exception):
    """A sentence for the user."""


class Recorder:
    """An open device: a thread of PortAudio leaves blocks, the main thread writes them."""

    def __init__(self, device: Microphone) -> None:
        """Begins to record. Raises `Refused`."""
        if device.kind != "device":
            os.environ[_SOURCE] = device.name
        self._left: deque[tuple[bytes, bytes]] = deque(maxlen=MOST_BLOCKS)
        self._count = 0
        self._ended = False
        self._news = threading.Condition()
        try:
            self._stream = self._started(device)
        except _portaudio().PortAudioError as error:
            raise Refused(
                f"microphone {device.name} cannot be opened ({error}); is it plugged in and free, and is "
                "this user in the group `audio`?"
            ) from error
        self.form = {
            "name": device.name,
            "rate": round(self._stream.samplerate),
            "channels": self._stream.channels,
        }

    def _started(self, device: Microphone) -> Any:
        """At 16 kHz with one channel where the device can, else as it likes best."""
        *forms, last = product((_RATE, round(device.rate)), (1, device.channels))
        for form in forms:
            try:
                return self._started_as(device, *form)
            except _portaudio().PortAudioError as error:
                if error.args[1] not in _REFUSED_FORMS:
                    raise
        return self._started_as(device, *last)

    def _started_as(self, device: Microphone, rate: int, channels: int) -> Any:
        stream = _portaudio().RawInputStream(
            device=device.index,
            samplerate=rate,
            channels=channels,
            dtype="float32",
            blocksize=round(rate * BLOCK_S),
            callback=self._leave,
            finished_callback=self._end,
        )
        stream.start()
        return stream

    def write(self, out: int) -> None:
        """All blocks, to a file descriptor, until the device is gone."""
        while True:
            with self._news:
                self._news.wait_for(lambda: self._left or self._ended)
                if not self._left:
                    return
                parts = self._left.popleft()
            for part in parts:
                view = memoryview(part)
                while view:
                    view = view[os.write(out, view) :]

    def _leave(self, samples: Any, count: int, _times: object, status: Any) -> None:
        """Called by PortAudio, to which the samples belong."""
        header = HEADER.pack(time.time(), self._count, count, bool(status.input_overflow))
        with self._news:
            self._count += count
            self._left.append((header, bytes(samples)))
            self._news.notify()

    def _end(self) -> None:
        """Called by PortAudio when the device is gone."""
        with self._news:
            self._ended = True
            self._news.notify()


def _portaudio() -> Any:
    """sounddevice; it initialises PortAudio when it is imported first. Raises `Refused`."""
    try:
        import sounddevice  # noqa: PLC0415 - it fails where PortAudio is not installed
    except OSError as error:
        raise Refused(
            "microphones need PortAudio: apt-get install libportaudio2 libasound2-plugins"
        ) from error
    return sounddevice


def _listed() -> list[Microphone]:
    devices = [
        Microphone(index, device["name"], device["max_input_channels"], device["default_samplerate"])
        for index, device in enumerate(_portaudio().query_devices())
        if device["max_input_channels"] > 0
    ]
    return [*devices, *(one for device in devices if device.name == _SERVER for one in _sources(device))]


def _sources(server: Microphone) -> list[Microphone]:
    """What a sound server can record; nothing where its command is not installed."""
    command = ["pactl", "list", "short", "sources"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=_LIST_S, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    rows = (line.split("\t") for line in said.splitlines())
    return [
        Microphone(server.index, row[1], int(form[1]), int(form[2]), _kind(row[1]))
        for row in rows
        if len(row) > 3 and (form := _FORM.search(row[3]))
    ]


def _kind(source: str) -> str:
    return "monitor" if source.endswith(".monitor") else "input"


def _named(name: str) -> Microphone:
    """The one that is meant. Raises `Refused` with the names that there are."""
    listed = _listed()
    if not listed:
        raise Refused("no microphone is found; is one plugged in, and is this user in the group `audio`?")
    if name == DEFAULT:
        default = _portaudio().default.device[0]
        fits = [one for one in listed if one.index == default and one.kind == "device"]
    else:
        fits = _fitting(name.casefold(), listed)
    if len(fits) == 1:
        return fits[0]
    names = ", ".join(device.name for device in fits or listed)
    if fits:
        raise Refused(f"{name} is in the names of several microphones, write more of one: {names}")
    raise Refused(f"there is no microphone {name}; there are: {names}")


def _fitting(wanted: str, listed: list[Microphone]) -> list[Microphone]:
    """Those of a name or an index; else those of one kind that have it in their names."""
    exact = [one for one in listed if one.name.casefold() == wanted]
    exact += [one for one in listed if str(one.index) == wanted and one.kind == "device"]
    kinds = ([one for one in listed if one.kind == kind and wanted in one.name.casefold()] for kind in KINDS)
    return next(filter(None, (exact, *kinds)), [])


def _end_with_parent() -> None:
    """Wait until stdin is closed, as it is when the parent dies."""
    os.read(0, 1)
    os._exit(0)


def _say(value: object) -> None:
    os.write(1, json.dumps(value).encode() + b"\n")


def main(verb: str, name: str = "") -> None:
    """`list`, or `record` a microphone."""
    try:
        if verb == "list":
            _say([asdict(found) for found in _listed()])
            return
        threading.Thread(target=_end_with_parent, daemon=True).start()
        recorder = Recorder(_named(name))
    except Refused as error:
        _say({"error": str(error)})
        return
    _say(recorder.form)
    recorder.write(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
    os._exit(0)  # PortAudio may hang when it is left
