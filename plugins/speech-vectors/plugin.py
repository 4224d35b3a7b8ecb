"""How speech sounds, as one vector: the mean of what the encoder of the model `speech` makes of the voice."""

from pathlib import Path

import numpy as np

from edged import (
    AudioClip,
    Model,
    ModelCard,
    Options,
    Register,
    Run,
    SpeechVector,
    Tools,
    hookimpl,
)


class SpeechFeatures(Model[AudioClip, Options, SpeechVector]):
    """The mean over the time in which somebody speaks."""

    def __init__(self, card: ModelCard) -> None:
        self.card = card

    def infer(self, item: AudioClip, options: Options, tools: Tools, run: Run) -> SpeechVector:
        if not item.voiced:
            return SpeechVector(np.empty(0, np.float32), 0.0)
        states = tools.models["speech"].infer(item, run, task="states").states
        return SpeechVector(states.mean(axis=0), item.voiced_seconds)


@hookimpl
def register_models(register: Register) -> None:
    here = Path(__file__).parent
    register(SpeechFeatures(ModelCard.load(here / "zh.yaml")))
    register(SpeechFeatures(ModelCard.load(here / "en.yaml")))
