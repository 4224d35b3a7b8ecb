"""Mandarin: what is said, and whether it is Mandarin, by the model `speech` that understands speech."""

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
from edged.ops.clips import voiced_parts
from edged.ops.mandarin import Level, sentences, simplified, within


class SpeechParameters(Parameters):
    """What is listened to."""

    least: float
    """Seconds of voice that a clip must hold."""
    pause: float
    """Seconds of silence that part what is heard on its own."""
    longest: float
    """Seconds that are heard at a time, unless nobody pauses."""


class RecognitionParameters(SpeechParameters):
    """What is written."""

    level: Level
    """Of GB 2312: characters outside of it are written as `*`."""


class MandarinRecognition(Model[AudioClip, RecognitionOptions, Transcript]):
    """The text in simplified characters, cut at its punctuation."""

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card)
        self._parameters = card.parameters_as(RecognitionParameters)

    def infer(self, item: AudioClip, options: RecognitionOptions, tools: Tools, run: Run) -> Transcript:
        parameters, speech, texts = self._parameters, tools.models["speech"], list[str]()
        for part in _parts(item, parameters):
            run.check()
            heard = speech.infer(part, run, task="text", language="zh", beam=options.beam)
            texts += sentences(simplified(heard.text))
        return Transcript(tuple(within(text, parameters.level) for text in texts))


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
        for part in _parts(item, self._parameters):
            run.check()
            spoken = speech.infer(part, run, task="language").languages
            likely = sum(spoken.get(language, 0.0) for language in self._parameters.languages)
            score += likely * part.voiced_seconds / seconds
        return YesNo(score)


def _parts(clip: AudioClip, parameters: SpeechParameters) -> list[AudioClip]:
    if clip.voiced_seconds < parameters.least:
        return []
    return voiced_parts(clip, parameters.pause, parameters.longest)


@hookimpl
def register_models(register: Register) -> None:
    register(MandarinRecognition, "recognition.yaml", "live.yaml")
    register(MandarinDetection, "detection.yaml")
