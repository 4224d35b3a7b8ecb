"""Mandarin: what is said, and whether it is Mandarin, by the model `speech` that understands speech."""

from edged import (
    AudioClip,
    DetectionThreshold,
    Model,
    ModelCard,
    RecognitionOptions,
    Register,
    Run,
    Tools,
    Transcript,
    YesNo,
    hookimpl,
)

from .hearing import RecognitionParameters, SpeechParameters, parts_of, text_of
from .live import MandarinLive


class MandarinRecognition(Model[AudioClip, RecognitionOptions, Transcript]):
    """The text in simplified characters, cut at its punctuation."""

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card)
        self._parameters = card.parameters_as(RecognitionParameters)

    def infer(self, item: AudioClip, options: RecognitionOptions, tools: Tools, run: Run) -> Transcript:
        return Transcript(text_of(item, self._parameters, tools.models["speech"], options.beam, run))


class DetectionParameters(SpeechParameters):
    """What counts as Mandarin."""

    languages: tuple[str, ...]
    """Codes of the model `speech`."""


class MandarinDetection(Model[AudioClip, DetectionThreshold, YesNo]):
    """The probability of the language, over the time in which somebody speaks; without a voice it is 0."""

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card)
        self._parameters = card.parameters_as(DetectionParameters)

    def infer(self, item: AudioClip, options: DetectionThreshold, tools: Tools, run: Run) -> YesNo:
        speech, seconds, score = tools.models["speech"], item.voiced_seconds, 0.0
        for part in parts_of(item, self._parameters):
            run.check()
            spoken = speech.infer(part, run, task="language").languages
            likely = sum(spoken.get(language, 0.0) for language in self._parameters.languages)
            score += likely * part.voiced_seconds / seconds
        return YesNo(score)


@hookimpl
def register_models(register: Register) -> None:
    register(MandarinRecognition, "recognition.yaml")
    register(MandarinLive, "live.yaml")
    register(MandarinDetection, "detection.yaml")
