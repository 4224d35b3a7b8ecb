"""How speech sounds, as one vector: the mean of what the encoder of the model `speech` makes of the voice."""

import numpy as np

from edged import (
    AudioClip,
    Model,
    ModelCard,
    Options,
    Parameters,
    Register,
    Run,
    SpeechVector,
    Tools,
    hookimpl,
)
from edged.ops.clips import voiced_parts


class PartParameters(Parameters):
    """What is listened to at a time."""

    pause: float
    """Seconds of silence that part what is heard on its own."""
    longest: float
    """Seconds that are heard at a time, unless nobody pauses."""


class SpeechFeatures(Model[AudioClip, Options, SpeechVector]):
    """The mean over the time in which somebody speaks."""

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card)
        self._parameters = card.parameters_as(PartParameters)

    def infer(self, item: AudioClip, options: Options, tools: Tools, run: Run) -> SpeechVector:
        if not item.voiced:
            return SpeechVector(np.empty(0, np.float32), 0.0)
        total, count = np.float32(0), 0
        for part in voiced_parts(item, self._parameters.pause, self._parameters.longest):
            run.check()
            states = tools.models["speech"].infer(part, run, task="states").states
            total, count = total + states.sum(axis=0), count + len(states)
        return SpeechVector(np.asarray(total / count, np.float32), item.voiced_seconds)


@hookimpl
def register_models(register: Register) -> None:
    register(SpeechFeatures, "zh.yaml", "en.yaml")
