"""YAMNet: which sounds are in a clip, and whether there is music, also behind a voice."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from edged import (
    AudioClip,
    DetectionThreshold,
    Model,
    ModelCard,
    Options,
    Parameters,
    Register,
    Run,
    Shape,
    SoundEvents,
    Tools,
    YesNo,
    hookimpl,
)
from edged.ops.audio import frames


class WindowParameters(Parameters):
    """How to listen."""

    length: int
    """Samples of a window."""
    hop: int
    """Samples from one window to the next."""


class FamilyParameters(WindowParameters):
    """Which classes are music, too."""

    music: tuple[int, int]
    """First and last class."""


class Yamnet(Model[AudioClip, DetectionThreshold, YesNo]):
    """The likeliest kind of music in the window of the clip where it is likeliest."""

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card)
        self._parameters = card.parameters_as(FamilyParameters)
        self._input, self._output = card.graphs["main"].single()

    def infer(self, item: AudioClip, options: DetectionThreshold, tools: Tools, run: Run) -> YesNo:
        first, last = self._parameters.music
        session, best = tools.sessions["main"], 0.0
        for window in _windows(item, self._parameters):
            run.check()
            scores = session.run({self._input: window})[self._output][0]
            best = max(best, float(scores[first : last + 1].max()))
        return YesNo(best)


class YamnetEvents(Model[AudioClip, Options, SoundEvents]):
    """How likely each class is in each window of the clip."""

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card)
        self._parameters = card.parameters_as(WindowParameters)
        self._input, self._output = card.graphs["main"].single()
        self._names = card.class_names()

    def shapes(self, graph: str) -> Mapping[str, Shape]:
        return {self._output: (1, len(self._names))}

    def infer(self, item: AudioClip, options: Options, tools: Tools, run: Run) -> SoundEvents:
        session, heard = tools.sessions["main"], []
        for window in _windows(item, self._parameters):
            run.check()
            heard.append(session.run({self._input: window})[self._output][0])
        step_us = self._parameters.hop * 1_000_000 // item.rate
        return SoundEvents(np.array(heard, np.float32), self._names, step_us)


def _windows(item: AudioClip, parameters: WindowParameters) -> NDArray[np.float32]:
    """[n, length]; the end is padded with silence."""
    hop, length = parameters.hop, parameters.length
    count = max(1, -(-(len(item.samples) - max(length, hop)) // hop) + 1)
    padded = np.zeros(max((count - 1) * hop + length, len(item.samples)), np.float32)
    padded[: len(item.samples)] = item.samples
    return frames(padded, length, hop)


@hookimpl
def register_models(register: Register) -> None:
    register(Yamnet)
    register(YamnetEvents, "events.yaml")
