"""Sound as it comes, cut into chunks of one length that know when they were captured."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edged.media.sound import RATE

WINDOW = 512
"""Samples (32 ms): what a voice detector hears at a time."""
CHUNK = 3 * WINDOW
"""Samples of a chunk: 96 ms."""

DRIFT = 1e-3
"""Clocks of sound devices are wrong by less than this part."""
MAX_LATE_S = 0.5
"""Sound that comes later than that does not come late: some before it was lost, or the clock was set."""


@dataclass(frozen=True, slots=True, eq=False)
class SoundChunk:
    """About a tenth of a second of a stream's sound."""

    samples: NDArray[np.float32]
    """[n] with n a multiple of `WINDOW`; mono, finite, -1 to 1, `RATE` samples a second."""
    captured_at: float
    """Seconds since the epoch (UTC) at which its first sample was captured."""
    position: int
    """Samples between the opening of the source and its first one; gaps are sound that was lost."""


class ChunkCutter:
    """Cuts sound of any lengths into chunks. One for each opening of a source."""

    def __init__(self) -> None:
        self._held = np.empty(0, np.float32)
        self._position = 0
        self._clock = _Clock()

    def add(self, samples: NDArray[np.float32], arrived: float) -> Iterator[SoundChunk]:
        """More sound, [n], of which the last sample came at `arrived`, seconds since the epoch."""
        self._held = np.concatenate([self._held, samples])
        end = self._position + len(self._held)
        while len(self._held) >= CHUNK:
            yield self._chunk(self._held[:CHUNK], self._clock.time(self._position, end, arrived))
            self._held = self._held[CHUNK:]

    def lose(self, count: int) -> None:
        """So many samples were lost here; what is held goes with them, for a chunk has no gap within."""
        self._position += len(self._held) + count
        self._held = np.empty(0, np.float32)

    def rest(self, arrived: float) -> Iterator[SoundChunk]:
        """What is left at the end, with silence up to a whole window."""
        if count := len(self._held):
            captured_at = self._clock.time(self._position, self._position + count, arrived)
            yield self._chunk(np.pad(self._held, (0, -count % WINDOW)), captured_at)
            self._held = np.empty(0, np.float32)

    def _chunk(self, samples: NDArray[np.float32], captured_at: float) -> SoundChunk:
        chunk = SoundChunk(samples, captured_at, self._position)
        self._position += len(samples)
        return chunk


class _Clock:
    """When a sample was captured, from when blocks arrive: some are late, none is early.

    So the earliest tells the truth. Drivers tell times, too, but those behind PulseAudio are wrong by the
    length of a buffer.
    """

    def __init__(self) -> None:
        self._start: float | None = None
        self._seen = 0

    def time(self, position: int, end: int, arrived: float) -> float:
        """Of the sample at `position`, when the one before `end` has `arrived`."""
        start = arrived - end / RATE
        if self._start is None or start - self._start > MAX_LATE_S:
            self._start = start
        self._start = min(start, self._start + DRIFT * (position - self._seen) / RATE)
        self._seen = position
        return self._start + position / RATE
