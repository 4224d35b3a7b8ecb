"""How a service hears an utterance: as it grows, each sound of it once, or at once when it is over."""

from dataclasses import dataclass
from typing import Any

from edged.contracts.items import LiveClip, SpeechChunk
from edged.contracts.model import Options
from edged.contracts.slot import Priority
from edged.serving.run import RunHandle
from edged.serving.table import Served


@dataclass(frozen=True, slots=True)
class _Mind:
    """What a model has heard so far."""

    served: Served
    """Whose model it is; another one begins anew."""
    state: Any
    utterance: int = -1
    samples: int = 0
    """Of the utterance."""


class Listener:
    """Steps a model through the utterances of one microphone. Used by one worker at a time."""

    def __init__(self) -> None:
        self._mind: _Mind | None = None

    def step(
        self, live: LiveClip, served: Served, options: Options, run: RunHandle, priority: Priority
    ) -> Any | None:
        """Hear what is new in an utterance so far; its result, or none. Raises as `Instance.step`.

        Whoever raises has heard nothing. An utterance that was cut before what was heard already, for nobody
        paused in it, is heard anew.
        """
        mind = self._mind
        if mind is None or mind.served is not served:
            mind = _Mind(served, served.instance.start(options))
        length = len(live.clip.samples)
        goes_on = mind.utterance == live.seq and mind.samples <= length
        chunk = SpeechChunk.of(live.clip, mind.samples if goes_on else 0, final=live.final)
        result, state = served.instance.step(chunk, mind.state, options, run, priority)
        self._mind = _Mind(served, state, live.seq, length)
        return result
