"""Silero VAD: the probability that somebody speaks, for every 32 ms of sound."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edged import (
    AudioClip,
    ModelCard,
    Options,
    Parameters,
    Register,
    Run,
    Shape,
    StreamModel,
    Tools,
    VoiceActivity,
    hookimpl,
)


class WindowParameters(Parameters):
    """How the sound is fed."""

    window: int
    """Samples of a window."""
    context: int
    """Samples of the window before that are seen again."""
    rate: int
    """Samples a second."""


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """What the model remembers of a source."""

    context: NDArray[np.float32]
    """[context], the end of the last window."""
    state: NDArray[np.float32]
    """[2, 1, 128], of the LSTM."""


class SileroVad(StreamModel[AudioClip, Options, VoiceActivity, Memory]):
    """A small network over the spectrum with an LSTM behind it, window by window."""

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card)
        self._parameters = card.parameters_as(WindowParameters)
        self._rate = np.array(self._parameters.rate, np.int64)

    def shapes(self, graph: str) -> Mapping[str, Shape]:
        return {"output": (1, 1), "stateN": (2, 1, 128)}

    def start(self, options: Options) -> Memory:
        return Memory(np.zeros(self._parameters.context, np.float32), np.zeros((2, 1, 128), np.float32))

    def step(
        self, chunk: AudioClip, state: Memory, options: Options, tools: Tools, run: Run
    ) -> tuple[VoiceActivity, Memory]:
        session, length = tools.sessions["main"], self._parameters.window
        context, hidden, found = state.context, state.state, []
        for begin in range(0, len(chunk.samples), length):
            window = chunk.samples[begin : begin + length]
            if len(window) < length:  # the end of a recording
                window = np.pad(window, (0, length - len(window)))
            fed = np.concatenate([context, window])
            outputs = session.run({"input": fed[None], "state": hidden, "sr": self._rate})
            context, hidden = window[-self._parameters.context :], outputs["stateN"]
            found.append(float(outputs["output"][0, 0]))
        return VoiceActivity(np.array(found, np.float32)), Memory(context, hidden)


@hookimpl
def register_models(register: Register) -> None:
    register(SileroVad)
