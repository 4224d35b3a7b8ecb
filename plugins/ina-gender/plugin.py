"""inaSpeechSegmenter's network: whether a woman or a man speaks in a clip."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edged import (
    AudioClip,
    LabelOptions,
    Model,
    ModelCard,
    Parameters,
    Register,
    Run,
    SpeakerClass,
    Tools,
    hookimpl,
)
from edged.ops.audio import frames, sidekit_mel

from .graph import build

FEMALE = 0
"""Column of the output."""


class PatchParameters(Parameters):
    """How the sound is fed."""

    frames: int
    """Of a patch."""
    step: int
    """Frames from one patch to the next."""
    together: int
    """Patches a run."""
    least: float
    """Seconds of voice that a clip must hold."""


class InaGender(Model[AudioClip, LabelOptions, SpeakerClass]):
    """The mean over all patches of the voice."""

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card)
        self._parameters = card.parameters_as(PatchParameters)

    def build_graph(self, name: str, files: Mapping[str, Path]) -> Any:
        (path,) = files.values()
        return build(path)

    def infer(self, item: AudioClip, options: LabelOptions, tools: Tools, run: Run) -> SpeakerClass:
        if item.voiced_seconds < self._parameters.least:
            return SpeakerClass(None)
        patches, together = self._patches(item), self._parameters.together
        female = []
        for begin in range(0, len(patches), together):
            run.check()
            fed = {"patches": patches[begin : begin + together]}
            female.append(tools.sessions["main"].run(fed)["probabilities"][:, FEMALE])
        return SpeakerClass(float(np.concatenate(female).mean()))

    def _patches(self, item: AudioClip) -> NDArray[np.float32]:
        """[n, frames, bands] of the voice alone, without what is between; a short voice is repeated."""
        wanted = self._parameters.frames
        mels = np.concatenate([sidekit_mel(item.samples[begin:end]) for begin, end in item.voiced])
        if len(mels) < wanted:
            mels = np.resize(mels, (wanted, mels.shape[1]))
        flat = frames(mels.ravel(), wanted * mels.shape[1], self._parameters.step * mels.shape[1])
        flat = flat - flat.mean(axis=1, keepdims=True)
        flat /= np.maximum(flat.std(axis=1, keepdims=True), np.finfo(np.float32).eps)
        patches: NDArray[np.float32] = flat.reshape(-1, wanted, mels.shape[1])
        return patches


@hookimpl
def register_models(register: Register) -> None:
    register(InaGender)
