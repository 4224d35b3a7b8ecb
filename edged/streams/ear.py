"""Who speaks on one microphone, and the utterances that this makes."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edged.contracts.items import LiveClip
from edged.media.chunks import SoundChunk
from edged.media.sound import RATE
from edged.ops.clips import WINDOW
from edged.ops.utterances import Utterance, UtteranceCutter, UtteranceRules
from edged.serving.run import RunHandle
from edged.serving.voice import VoiceMeter

RESTING_S = 0.2
"""Who has been quiet for so long may be done: nothing is begun that the final result would wait for."""


class Ear:
    """Who speaks on one microphone, from one opening of it, without a gap."""

    def __init__(self, meter: VoiceMeter, position: int, numbers: Iterator[int]) -> None:
        """`position`: samples of the source before; `numbers`: of the stream's utterances."""
        self._meter = meter
        self._next = position
        self._origin = 0.0
        self._cutter = UtteranceCutter(UtteranceRules(), RATE, position)
        self._numbers = numbers
        self._number = next(numbers)

    def follows(self, chunk: SoundChunk) -> bool:
        """Whether nothing is missing between the last chunk and this one."""
        return chunk.position == self._next

    def listen(self, chunk: SoundChunk) -> NDArray[np.floating]:
        """[n] probability of a voice, window by window."""
        self._next = chunk.position + len(chunk.samples)
        self._origin = chunk.captured_at - chunk.position / RATE
        return self._meter.probabilities(chunk.samples, RunHandle())

    def utterances(self, chunk: SoundChunk, heard: NDArray[np.floating]) -> Iterator[LiveClip]:
        """Those that end in a chunk; `heard`: what `listen` said of it."""
        for i, probability in enumerate(heard.tolist()):
            window = chunk.samples[i * WINDOW : (i + 1) * WINDOW]
            if (over := self._cutter.put(window, probability)) is not None:
                yield self._live(over)

    @property
    def spoken_s(self) -> float:
        """Seconds of the utterance that grows; 0 when none does."""
        grows = self._cutter.speaks and self._cutter.quiet_seconds < RESTING_S
        return self._cutter.seconds if grows else 0.0

    def so_far(self) -> LiveClip | None:
        """The utterance that grows."""
        growing = self._cutter.so_far()
        return None if growing is None else self._live(growing)

    def rest(self) -> LiveClip | None:
        """What was said when the sound ended."""
        last = self._cutter.rest()
        return None if last is None else self._live(last)

    def _live(self, utterance: Utterance) -> LiveClip:
        captured_at = self._origin + utterance.clip.start_us / 1e6
        live = LiveClip(utterance.clip, captured_at, self._number, utterance.final)
        if utterance.final:
            self._number = next(self._numbers)
        return live
