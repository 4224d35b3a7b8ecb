"""A recording's way: decoded piece by piece, cut at pauses, heard clip by clip, joined to one answer.

However long the recording is, only clips in work are held: one, or as many as the model hears together.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from edged.contracts.errors import CardError, NotMedia, NotUsable, TooLarge
from edged.contracts.items import AudioClip
from edged.contracts.model import Options, Part, Run
from edged.contracts.slot import Priority
from edged.contracts.speech import Clips
from edged.flow.budget import Budget
from edged.media.sound import RATE, Sound, SoundLimits
from edged.ops.clips import WINDOW, CutRules, Cutter
from edged.requests.decoders import Decoders
from edged.serving.table import Served
from edged.serving.voice import VOICE, VoiceMeter

PIECE_WINDOWS = 15
"""Windows that are looked at together: half a second, in whole windows."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording of a request, here and not yet opened."""

    file: IO[bytes]
    play_duration_us: int | None
    """Only so much of the beginning is listened to; none is all of it."""


@dataclass(frozen=True, slots=True)
class SoundTools:
    """With which sound is read."""

    decoders: Decoders
    limits: SoundLimits
    memory: Budget
    """Clips are heard together while it has room: a model takes some for each."""


def found_in(
    recording: Recording,
    served: Served,
    options: Options,
    run: Run,
    tools: SoundTools,
    *,
    ahead: Callable[[Clips[Any]], None] | None = None,
) -> Clips[Any]:
    """What a service finds in a recording. `ahead` is told of clips as soon as they are heard.

    Raises what `open_sound` does, naming the field, and what the model does.
    """
    if not served.instance.uses(VOICE):
        raise CardError(f"{served.instance.card.id} must have a model `{VOICE}` in `uses` to get clips")
    voice = served.instance.used(VOICE, Priority.JOB)
    results: list[tuple[int, Any]] = []
    file, most, together = recording.file, recording.play_duration_us, served.instance.together
    try:
        with tools.decoders.open_sound(file, tools.limits, most, run.check) as sound:
            said = clips(sound, voice, CutRules(), run)
            for group in groups(said, lambda: together if tools.memory.is_roomy else 1):
                run.check()
                found = served.instance.infer_all(group, options, run, Priority.JOB)
                heard = list(zip([clip.start_us for clip in group], found, strict=True))
                results += heard
                if ahead is not None:
                    ahead(Clips(heard))
                if sound.seconds:
                    run.progress(min(1.0, (group[-1].start_us / 1e6 + group[-1].seconds) / sound.seconds))
    except (NotMedia, NotUsable, TooLarge) as error:
        named = "input.url" in str(error)
        raise error if named else type(error)(f"the media of the field `input.url` {error}") from error
    return Clips(results)


def clips(sound: Sound, voice: Part, rules: CutRules, run: Run) -> Iterator[AudioClip]:
    """The clips of a recording, one after another, from its beginning to its end."""
    cutter, meter = Cutter(rules, RATE), VoiceMeter(voice)
    for piece in _whole_windows(sound.pieces):
        run.check()
        yield from cutter.put(piece, meter.probabilities(piece, run))
    if (last := cutter.rest()) is not None:
        yield last


def groups(clips: Iterator[AudioClip], count: Callable[[], int]) -> Iterator[list[AudioClip]]:
    """So many at a time as it says then, as they come; the last are fewer."""
    while group := list(islice(clips, count())):
        yield group


def _whole_windows(pieces: Iterator[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """Pieces of whole windows, but for the last."""
    length, held = PIECE_WINDOWS * WINDOW, np.empty(0, np.float32)
    for piece in pieces:
        held = np.concatenate([held, piece])
        while len(held) >= length:
            yield held[:length]
            held = held[length:]
    if len(held):
        yield held
