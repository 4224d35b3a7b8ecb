"""Between the ear of a microphone and a service: sound that is collected, and clips that wait."""

import threading
from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edged.contracts.items import LiveClip
from edged.flow.mailbox import nobody
from edged.media.chunks import SoundChunk
from edged.media.sound import RATE
from edged.ops.clips import WINDOW, CutRules, clip_of

WAITING = 8
"""Clips that wait for a service; then the oldest is dropped."""


class Waiting:
    """How many utterances that are over wait for a worker, on all microphones: partial results make room."""

    def __init__(self) -> None:
        self._count = 0
        self._lock = threading.Lock()

    def add(self, count: int) -> None:
        """So many more, or less."""
        with self._lock:
            self._count += count

    def __bool__(self) -> bool:
        """Whether any waits."""
        return self._count > 0


class ClipBox:
    """A mailbox: utterances in order, and at most one that grows, which the final one replaces."""

    def __init__(self, dropped: Callable[[str], None], waiting: Waiting) -> None:
        self.ready: Callable[[], None] = nobody
        self._dropped = dropped
        self._waiting = waiting
        self._finals: deque[LiveClip] = deque()
        self._growing: LiveClip | None = None
        self._lock = threading.Lock()

    def put(self, live: LiveClip) -> None:
        """Never waits."""
        with self._lock:
            self._growing = None if live.final else live
            if live.final:
                self._finals.append(live)
            late = len(self._finals) > WAITING
            if late:
                self._finals.popleft()
        self._waiting.add(live.final - late)
        if late:
            self._dropped("busy")
        self.ready()

    def take(self) -> LiveClip | None:
        """The oldest that is over, else the one that grows."""
        with self._lock:
            if not self._finals:
                growing, self._growing = self._growing, None
                return growing
            taken = self._finals.popleft()
        self._waiting.add(-1)
        return taken

    def clear(self) -> None:
        """Nobody wants them any more."""
        while self.take() is not None:
            pass

    def __len__(self) -> int:
        """Clips waiting."""
        return len(self._finals) + (self._growing is not None)


class Pieces:
    """Collects sound until a piece is full."""

    def __init__(self, seconds: float, *, voice_only: bool) -> None:
        self._length = max(1, round(seconds * RATE / WINDOW))
        self._voice_only = voice_only
        self._chunks: list[SoundChunk] = []
        self._heard: list[float] = []
        self._count = 0

    def put(self, chunk: SoundChunk, heard: NDArray[np.floating]) -> LiveClip | None:
        """More sound, and [n] probabilities of a voice in its windows; the piece that it fills."""
        self._chunks.append(chunk)
        self._heard += heard.tolist()
        if len(self._heard) < self._length:
            return None
        first = self._chunks[0]
        windows = [window for one in self._chunks for window in one.samples.reshape(-1, WINDOW)]
        clip = clip_of(windows, self._heard, first.position, RATE, CutRules())
        self.clear()
        if self._voice_only and not clip.voiced:
            return None
        self._count += 1
        return LiveClip(clip, first.captured_at, self._count - 1)

    def clear(self) -> None:
        """Begin anew."""
        self._chunks, self._heard = [], []
