"""Where an utterance begins and ends, in sound that comes as it is spoken."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edged.contracts.items import AudioClip
from edged.ops.clips import WINDOW, CutRules, clip_of


@dataclass(frozen=True, slots=True)
class UtteranceRules:
    """When somebody begins and ends to speak. Seconds."""

    cut: CutRules = CutRules()  # noqa: RUF009 - frozen
    """What counts as a voice."""
    pause: float = 0.6
    """A pause as long ends an utterance."""
    before: float = 0.3
    """Sound before the first voice that belongs to it: soft consonants."""
    shortest: float = 0.2
    """Voice that an utterance must hold, else it was a noise."""
    longest: float = 25.0
    """A longer one is cut at its least likely voice."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """What somebody says."""

    clip: AudioClip
    final: bool
    """Whether it is over; else there is more to come."""


class UtteranceCutter:
    """Finds utterances, window by window. Used by one thread; time is counted in samples of the source."""

    def __init__(self, rules: UtteranceRules, rate: int, position: int = 0) -> None:
        """`position`: samples of the source before the first window."""
        self._rules = rules
        self._rate = rate
        self._position = position
        self._windows: deque[NDArray[np.float32]] = deque()
        self._probabilities: deque[float] = deque()
        self._voiced = 0
        self._quiet = 0
        self.speaks = False
        """Whether somebody speaks, and so long that it is no noise."""

    @property
    def quiet_seconds(self) -> float:
        """Since when nobody has spoken."""
        return self._quiet * WINDOW / self._rate

    @property
    def seconds(self) -> float:
        """Length of the utterance so far."""
        return len(self._windows) * WINDOW / self._rate

    def put(self, window: NDArray[np.float32], probability: float) -> Utterance | None:
        """[512] samples and the probability of a voice in them; the utterance that ends with them."""
        rules = self._rules
        self._windows.append(window)
        self._probabilities.append(probability)
        self._position += len(window)
        talking = self._voiced > 0
        if probability >= (rules.cut.silence if talking else rules.cut.voice):
            self._voiced, self._quiet = self._voiced + 1, 0
            self.speaks = self._voiced >= self._count(rules.shortest)
        else:
            self._quiet += 1
        if not talking and not self._voiced:
            self._forget()
            return None
        if self._quiet >= self._count(rules.pause):
            return self._over(len(self._windows) - self._quiet + self._count(rules.before))
        if len(self._windows) >= self._count(rules.longest):
            return self._over(self._least_likely())
        return None

    def so_far(self) -> Utterance | None:
        """What was said until now; none when nobody speaks."""
        return Utterance(self._clip(len(self._windows)), final=False) if self.speaks else None

    def rest(self) -> Utterance | None:
        """What was said when the sound ended."""
        return self._over(len(self._windows)) if self._windows else None

    def _over(self, end: int) -> Utterance | None:
        """The first windows make an utterance, unless they hold a noise; the others stay."""
        spoken = Utterance(self._clip(end), final=True) if self.speaks else None
        left: Sequence[float] = list(self._probabilities)[end:]
        for _ in range(min(end, len(self._windows))):
            self._windows.popleft()
            self._probabilities.popleft()
        self._voiced = sum(one >= self._rules.cut.voice for one in left)
        self._quiet = 0 if self._voiced else len(left)
        self.speaks = self._voiced >= self._count(self._rules.shortest)
        if not self._voiced:
            self._forget()
        return spoken

    def _forget(self) -> None:
        """Nobody speaks: only what may come before a voice is kept."""
        while len(self._windows) > self._count(self._rules.before):
            self._windows.popleft()
            self._probabilities.popleft()

    def _clip(self, end: int) -> AudioClip:
        start = self._position - sum(map(len, self._windows))
        return clip_of(
            list(self._windows)[:end], list(self._probabilities)[:end], start, self._rate, self._rules.cut
        )

    def _least_likely(self) -> int:
        likely = list(self._probabilities)
        half = len(likely) // 2
        return half + int(np.argmin(likely[half:])) + 1

    def _count(self, seconds: float) -> int:
        return round(seconds * self._rate / WINDOW)
