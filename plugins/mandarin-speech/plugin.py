"""Mandarin: what is said, and whether it is Mandarin, by the model `speech` that understands speech."""

from pathlib import Path

from edged import (
    AudioClip,
    DetectionThreshold,
    Model,
    ModelCard,
    Parameters,
    RecognitionOptions,
    Register,
    Run,
    Tools,
    Transcript,
    YesNo,
    hookimpl,
)
from edged.ops.clips import voiced_part
from edged.ops.mandarin import Level, sentences, simplified, within


class RecognitionParameters(Parameters):
    """What is written."""

    level: Level
    """Of GB 2312: characters outside of it are written as `*`."""
    least: float
    """Seconds of voice that a clip must hold."""


class MandarinRecognition(Model[AudioClip, RecognitionOptions, Transcript]):
    """The text in simplified characters, cut at its punctuation."""

    def __init__(self, card: ModelCard) -> None:
        self.card = card
        self._parameters = card.parameters_as(RecognitionParameters)

    def infer(self, item: AudioClip, options: RecognitionOptions, tools: Tools, run: Run) -> Transcript:
        if item.voiced_seconds < self._parameters.least:
            return Transcript(())
        heard = tools.models["speech"].infer(
            voiced_part(item), run, task="text", language="zh", beam=options.beam
        )
        spoken = sentences(simplified(heard.text))
        return Transcript(tuple(within(one, self._parameters.level) for one in spoken))


class DetectionParameters(Parameters):
    """What counts as Mandarin."""

    languages: tuple[str, ...]
    """Codes of the model `speech`."""
    least: float
    """Seconds of voice that a clip must hold."""


class MandarinDetection(Model[AudioClip, DetectionThreshold, YesNo]):
    """The probability of the language; where nobody speaks it is no Mandarin."""

    def __init__(self, card: ModelCard) -> None:
        self.card = card
        self._parameters = card.parameters_as(DetectionParameters)

    def infer(self, item: AudioClip, options: DetectionThreshold, tools: Tools, run: Run) -> YesNo:
        if item.voiced_seconds < self._parameters.least:
            return YesNo(0.0)
        heard = tools.models["speech"].infer(voiced_part(item), run, task="language")
        return YesNo(sum(heard.languages.get(one, 0.0) for one in self._parameters.languages))


@hookimpl
def register_models(register: Register) -> None:
    here = Path(__file__).parent
    register(MandarinRecognition(ModelCard.load(here / "recognition.yaml")))
    register(MandarinRecognition(ModelCard.load(here / "live.yaml")))
    register(MandarinDetection(ModelCard.load(here / "detection.yaml")))
