"""YAMNet: whether there is music in a clip, also behind a voice."""

import numpy as np
from numpy.typing import NDArray

from edged import (
    AudioClip,
    DetectionThreshold,
    Model,
    ModelCard,
    Parameters,
    Register,
    Run,
    Tools,
    YesNo,
    hookimpl,
)
from edged.ops.audio import frames


class FamilyParameters(Parameters):
    """Which classes are music, and how often to listen."""

    music: tuple[int, int]
    """First and last class."""
    length: int
    """Samples of a window."""
    hop: int
    """Samples from one window to the next."""


class Yamnet(Model[AudioClip, DetectionThreshold, YesNo]):
    """The likeliest kind of music in the window of the clip where it is likeliest."""

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card)
        self._parameters = card.parameters_as(FamilyParameters)
        self._input, self._output = card.graphs["main"].single()

    def infer(self, item: AudioClip, options: DetectionThreshold, tools: Tools, run: Run) -> YesNo:
        first, last = self._parameters.music
        session, best = tools.sessions["main"], 0.0
        for window in self._windows(item):
            run.check()
            scores = session.run({self._input: window})[self._output][0]
            best = max(best, float(scores[first : last + 1].max()))
        return YesNo(best)

    def _windows(self, item: AudioClip) -> NDArray[np.float32]:
        """[n, length]; the end is padded with silence."""
        hop, length = self._parameters.hop, self._parameters.length
        count = max(1, -(-(len(item.samples) - length) // hop) + 1)
        padded = np.zeros((count - 1) * hop + length, np.float32)
        padded[: len(item.samples)] = item.samples
        return frames(padded, length, hop)


@hookimpl
def register_models(register: Register) -> None:
    register(Yamnet)
