"""Mandarin: what is said, and whether it is Mandarin, by the model `speech` that understands speech."""

from collections.abc import Sequence
from itertools import islice

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

from .hearing import RecognitionParameters, SpeechParameters, parts_of, written
from .live import MandarinLive


class TogetherParameters(RecognitionParameters):
    """What is written of recordings."""

    together: int
    """Clips whose stretches are heard together."""


class MandarinRecognition(Model[AudioClip, RecognitionOptions, Transcript]):
    """The text in simplified characters, cut at its punctuation."""

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card)
        self._parameters = card.parameters_as(TogetherParameters)
        self.together = self._parameters.together

    def infer(self, item: AudioClip, options: RecognitionOptions, tools: Tools, run: Run) -> Transcript:
        return self.infer_all([item], options, tools, run)[0]

    def infer_all(
        self, items: Sequence[AudioClip], options: RecognitionOptions, tools: Tools, run: Run
    ) -> list[Transcript]:
        run.check()
        stretches = [parts_of(item, self._parameters) for item in items]
        every = [part for parts in stretches for part in parts]
        heard = iter(
            tools.models["speech"].infer_all(every, run, task="text", language="zh", beam=options.beam)
        )
        level = self._parameters.level
        return [
            Transcript(tuple(text for one in islice(heard, len(parts)) for text in written(one, level)))
            for parts in stretches
        ]


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
