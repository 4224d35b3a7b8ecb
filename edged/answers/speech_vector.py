"""How a recording sounds, as one vector."""

from collections.abc import Hashable
from typing import Any

import numpy as np

from edged.answers.kind import Kind, State
from edged.contracts.errors import NotUsable
from edged.contracts.speech import Clips, SpeechVector

SCHEMA = {"type": "string", "description": "One vector: numbers joined by `,`."}


def _written(found: Clips[SpeechVector], _: Any) -> str:
    seconds = _seconds(found)
    if not seconds:
        raise NotUsable("nobody speaks in the recording of `input.url`, so there is no vector of it")
    mean = sum(clip.mean * (clip.seconds / seconds) for _, clip in found.results if clip.seconds)
    return ",".join(f"{value:.6g}" for value in np.asarray(mean).tolist())


def _seconds(found: Clips[SpeechVector]) -> float:
    """So long somebody speaks."""
    return sum(clip.seconds for _, clip in found.results)


def _gist(found: Clips[SpeechVector], _: Any) -> Hashable:
    return State.NEW if _seconds(found) else State.SILENT


KIND = Kind(SpeechVector, SCHEMA, write=_written, gist=_gist)
