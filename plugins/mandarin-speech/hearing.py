"""What is said in a stretch of sound, as the model `speech` hears it."""

from edged import AudioClip, Heard, Parameters, Part, Run
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


def parts_of(clip: AudioClip, parameters: SpeechParameters) -> list[AudioClip]:
    """The stretches of a clip that are heard, one by one."""
    if clip.voiced_seconds < parameters.least:
        return []
    return voiced_parts(clip, parameters.pause, parameters.longest)


def said(part: AudioClip, speech: Part, beam: int, level: Level, run: Run) -> tuple[str, ...]:
    """The sentences of a stretch."""
    run.check()
    return written(speech.infer(part, run, task="text", language="zh", beam=beam), level)


def written(heard: Heard, level: Level) -> tuple[str, ...]:
    """The sentences of what was heard, in simplified characters of the vocabulary."""
    return tuple(within(text, level) for text in sentences(simplified(heard.text)))


def text_of(
    clip: AudioClip, parameters: RecognitionParameters, speech: Part, beam: int, run: Run
) -> tuple[str, ...]:
    """All sentences of a clip."""
    parts = parts_of(clip, parameters)
    return tuple(text for part in parts for text in said(part, speech, beam, parameters.level, run))
