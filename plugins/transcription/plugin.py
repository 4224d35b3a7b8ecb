"""What is said, in any language that the model `speech` knows, passage by passage."""

from collections.abc import Sequence

from edged import (
    AudioClip,
    Heard,
    Model,
    ModelCard,
    Parameters,
    Part,
    Passages,
    Register,
    Run,
    SpokenPassage,
    Tools,
    TranscriptionOptions,
    hookimpl,
)
from edged.ops.clips import voiced_parts
from edged.ops.mandarin import simplified

_MICROSECONDS = 1_000_000


class TranscriptionParameters(Parameters):
    """What is listened to, and what is written."""

    least: float
    """Seconds of voice that a clip must hold."""
    pause: float
    """Seconds of silence that part two passages."""
    longest: float
    """Seconds of a passage, unless nobody pauses."""
    simplified: tuple[str, ...]
    """Languages that are written in simplified characters."""


class Transcription(Model[AudioClip, TranscriptionOptions, Passages]):
    """The language, unless it is given, is that of the longest passage of a clip."""

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card)
        self._parameters = card.parameters_as(TranscriptionParameters)

    def infer(self, item: AudioClip, options: TranscriptionOptions, tools: Tools, run: Run) -> Passages:
        known, parts = self._parameters, list[AudioClip]()
        if item.voiced_seconds >= known.least:
            parts = voiced_parts(item, known.pause, known.longest)
        heard = _heard(parts, options, tools.models["speech"], run)
        passages = (
            self._passage(part, said, options) for part, said in zip(parts, heard, strict=True) if said.text
        )
        return Passages(tuple(passages), _end_us(item))

    def _passage(self, part: AudioClip, said: Heard, options: TranscriptionOptions) -> SpokenPassage:
        written = "en" if options.task == "translate" else said.language
        text = simplified(said.text) if written in self._parameters.simplified else said.text
        return SpokenPassage(part.start_us, _end_us(part), text, said.language, said.likelihood, said.silence)


def _heard(parts: Sequence[AudioClip], options: TranscriptionOptions, speech: Part, run: Run) -> list[Heard]:
    """What is said in each, the longest one first: in its language all are heard."""
    if not parts:
        return []
    task = "english" if options.task == "translate" else "text"
    language, heard = options.language, dict[int, Heard]()
    for place in sorted(range(len(parts)), key=lambda place: -parts[place].voiced_seconds):
        run.check()
        heard[place] = speech.infer(
            *(parts[place], run), task=task, language=language, beam=options.beam, prompt=options.prompt
        )
        language = heard[place].language
    return [heard[place] for place in range(len(parts))]


def _end_us(clip: AudioClip) -> int:
    return clip.start_us + len(clip.samples) * _MICROSECONDS // clip.rate


@hookimpl
def register_models(register: Register) -> None:
    register(Transcription, "card.yaml")
