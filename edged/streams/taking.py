"""Frames and clips of a source, taken for a while and spread over it: for who calibrates a model on them."""

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

import numpy as np

from edged.contracts.errors import SourceError
from edged.contracts.items import AudioClip, Frame
from edged.contracts.model import Part
from edged.flow.counters import Counters
from edged.media.chunks import SoundChunk
from edged.media.folder import is_folder
from edged.media.kept import KeptFrame
from edged.media.source import is_device, is_file
from edged.ops.clips import WINDOW
from edged.serving.voice import INAUDIBLE, VoiceMeter
from edged.streams.camera import CameraSettings, CameraSource
from edged.streams.clipbox import Pieces
from edged.streams.ear import Ear
from edged.streams.microphone import SoundSource, microphone_name
from edged.streams.motion import MotionSettings, NoveltyGate
from edged.streams.sound_lane import PIECE_S
from edged.streams.supervise import Source

RETRY_S = 2.0
"""Seconds after which a live source that broke off is opened again."""
TRIES = 3
"""So often in a row, without anything that came."""

ItemT = TypeVar("ItemT")
Told = Callable[[float], None]
"""How much is done, 0 to 1."""


@dataclass(frozen=True)
class Portion:
    """How much is taken."""

    count: int
    """Items, at most."""
    over_s: float
    """Seconds for which a live source is watched; a file is read as fast as it can be decoded."""


@dataclass(frozen=True)
class Taken:
    """What came of it."""

    items: Sequence[Any]
    """In the order of time."""
    alike: int
    """Frames that differed from none before, and silent pieces; they are left out."""
    damaged: int
    """What could not be decoded."""


class Spread(Generic[ItemT]):
    """Keeps so many of what comes, evenly spread over all of it, however much it will be."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._step = 1
        self._seen = 0
        self._kept: list[ItemT] = []

    def put(self, make: Callable[[], ItemT]) -> None:
        """One more; it is made only if it is kept."""
        self._seen += 1
        if (self._seen - 1) % self._step:
            return
        self._kept.append(make())
        if len(self._kept) >= 2 * self._count:
            self._kept = self._kept[::2]
            self._step *= 2

    def rest(self) -> list[ItemT]:
        """What is left at the end, in order."""
        if len(self._kept) <= self._count:
            return self._kept
        wanted = np.linspace(0, len(self._kept) - 1, self._count).round().astype(int).tolist()
        return [self._kept[position] for position in wanted]

    def __len__(self) -> int:
        """So many it would give now."""
        return min(len(self._kept), self._count)


def take_frames(name: str, settings: CameraSettings, portion: Portion, told: Told) -> Taken:
    """Frames of a camera, a video or a folder of pictures; what shows the same as the one before is left out.

    It opens the source by itself, whoever else watches it. Pictures of a folder all differ, as somebody chose
    them. Raises `SourceError`.
    """
    if microphone_name(settings.source) is not None:
        raise SourceError(f"{name} is a microphone, and the model wants pictures")
    counters, spread, alike = Counters(), Spread[Frame](portion.count), itertools.count()
    gate = None if is_folder(settings.source) else NoveltyGate(MotionSettings())
    period = 0.0 if is_file(settings.source) else portion.over_s / (2 * portion.count)
    due = 0.0

    def put(frame: Frame) -> None:
        nonlocal due
        if (now := time.monotonic()) < due:
            return
        due = now + period
        if gate is None or gate.passes(frame):
            spread.put(partial(KeptFrame, frame))
        else:
            next(alike)

    source = partial(CameraSource, name, _at_once(settings), counters)
    _Watch(settings, portion, told).run(source, put, spread)
    return Taken(spread.rest(), next(alike), _damaged(counters, name))


def take_clips(
    name: str, settings: CameraSettings, portion: Portion, told: Told, voice: Part | None, *, pieces: bool
) -> Taken:
    """Clips of a microphone, or of the sound of a camera or a file: what is said, or `pieces` of 5 s.

    `voice`: the model that hears who speaks; without one there are pieces only. Silence is left out. Raises
    `SourceError`.
    """
    counters, hearing = Counters(), _Hearing(portion.count, voice, pieces=pieces or voice is None)
    source = partial(SoundSource, name, _at_once(settings), counters)
    _Watch(settings, portion, told).run(source, hearing.put, hearing.spread)
    hearing.end()
    return Taken(hearing.spread.rest(), hearing.silent, _damaged(counters, name))


class _Hearing:
    """Cuts sound as a stream's lanes do."""

    def __init__(self, count: int, voice: Part | None, *, pieces: bool) -> None:
        self.spread = Spread[AudioClip](count)
        self.silent = 0
        self._voice = voice
        self._pieces = Pieces(PIECE_S, voice_only=False) if pieces else None
        self._ear: Ear | None = None
        self._numbers = itertools.count()

    def put(self, chunk: SoundChunk) -> None:
        """More sound."""
        if self._ear is not None and not self._ear.follows(chunk):
            self.end()
        if self._ear is None and self._voice is not None:
            self._ear = Ear(VoiceMeter(self._voice), chunk.position, self._numbers)
        heard = np.zeros(len(chunk.samples) // WINDOW) if self._ear is None else self._ear.listen(chunk)
        if self._pieces is not None:
            if (piece := self._pieces.put(chunk, heard)) is not None:
                self._add(piece.clip)
        elif self._ear is not None:
            for live in self._ear.utterances(chunk, heard):
                self._add(live.clip)

    def end(self) -> None:
        """Sound was lost, or there is no more."""
        ear, self._ear = self._ear, None
        if self._pieces is not None:
            self._pieces.clear()
        elif ear is not None and (last := ear.rest()) is not None:
            self._add(last.clip)

    def _add(self, clip: AudioClip) -> None:
        if float(np.abs(clip.samples).max(initial=0.0)) < INAUDIBLE:
            self.silent += 1
        else:
            self.spread.put(lambda: clip)


def _at_once(settings: CameraSettings) -> CameraSettings:
    """A file once and as fast as it can be decoded; of a live source this changes nothing."""
    return settings.model_copy(update={"loop": False, "real_time": False})


def _damaged(counters: Counters, name: str) -> int:
    return sum(counters.counts().get(f"frames_dropped/{name}", {}).values())


class _Watch:
    """Runs a file to its end, and a live source for a while, opened again where it breaks off."""

    def __init__(self, settings: CameraSettings, portion: Portion, told: Told) -> None:
        self._settings = settings
        self._seconds = portion.over_s
        self._count = portion.count
        self._told = told
        self._stop = threading.Event()
        self._seen = 0

    def run(self, source: Callable[[], Source], put: Callable[[Any], None], spread: Spread[Any]) -> None:
        """Until the end. Raises `SourceError` for what cannot be opened, or not again."""
        if is_file(self._settings.source):

            def played(item: Any) -> None:
                put(item)
                self._told(len(spread) / self._count)  # nobody knows how long it is

            source().run(played, self._stop)
            return
        timer = threading.Timer(self._seconds, self._stop.set)
        timer.daemon = True
        timer.start()
        try:
            self._run_live(source, put, time.monotonic())
        finally:
            timer.cancel()

    def _run_live(self, source: Callable[[], Source], put: Callable[[Any], None], began: float) -> None:
        def came(item: Any) -> None:
            self._seen += 1
            put(item)
            self._told(min((time.monotonic() - began) / self._seconds, 1.0))

        failed = 0
        while not self._stop.is_set():
            before = self._seen
            try:
                source().run(came, self._stop)
            except SourceError as error:
                failed = 1 if self._seen > before else failed + 1
                if not self._seen or failed >= TRIES:
                    raise _explained(error, self._settings) from error
                self._stop.wait(RETRY_S)


def _explained(error: SourceError, settings: CameraSettings) -> SourceError:
    """With the way where a device gives its pictures to one program only."""
    if not is_device(settings.source) or "busy" not in str(error).lower():
        return error
    return SourceError(
        f"{error}; such a device serves one program at a time, most likely the daemon has it: stop the "
        "daemon for the while, or give `--from` a video or a folder of pictures that were taken with it"
    )
