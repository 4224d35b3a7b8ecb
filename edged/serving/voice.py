"""Who speaks: the model of voice-activity that a service listens with, and what it remembers of a source."""

import numpy as np
from numpy.typing import NDArray

from edged.contracts.items import AudioClip
from edged.contracts.model import Part, Run
from edged.media.sound import RATE
from edged.ops.clips import WINDOW

VOICE = "voice"
"""Name in `uses` of every card of a service that listens: the model of voice-activity that cuts for it."""
INAUDIBLE = 1e-4
"""Loudest sample of a piece in which nobody can speak: -80 dB. It is not even looked at."""


class VoiceMeter:
    """The probability of a voice, window by window, with what the model remembers of one source."""

    def __init__(self, voice: Part) -> None:
        self._voice = voice
        self._state = voice.start()

    def probabilities(self, samples: NDArray[np.float32], run: Run) -> NDArray[np.floating]:
        """[n] for n windows of 512 samples; only the last window of a recording may be shorter."""
        if not len(samples) or float(np.abs(samples).max()) < INAUDIBLE:
            self._state = self._voice.start()  # silence leaves nothing to remember
            return np.zeros(-(-len(samples) // WINDOW), np.float32)
        activity, self._state = self._voice.step(AudioClip(samples, RATE, 0), self._state, run)
        return np.asarray(activity.probabilities)
