"""The score of every second: parts that are measured, each brought to 0 to 1."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edged import AudioClip, Parameters, SoundEvents

Floats = NDArray[np.float32]

_SILENCE = 1e-3
"""Added to an amplitude before its logarithm: -60 dB."""


class Scale(Parameters):
    """How far over the median of the video a second must be for a part of 1: as far as its best second is,
    within these."""

    least: float = Field(gt=0)
    """Smaller differences are little, however even the rest is."""
    most: float = Field(gt=0)
    """A single second that is far beyond does not make all others alike."""

    def part(self, values: Floats) -> Floats:
        """[n], 0 to 1: how far each is over the median."""
        above = values - np.median(values)
        return np.asarray(np.clip(above / np.clip(above.max(), self.least, self.most), 0, 1), np.float32)


def by_second(values: Sequence[float], rate: int) -> Floats:
    """[seconds]: the means of what was measured so many times a second; the last second may have fewer."""
    starts = np.arange(0, len(values), rate)
    counts = np.diff(starts, append=len(values))
    return np.asarray(np.add.reduceat(values, starts) / counts, np.float32)


def loudness(clip: AudioClip, seconds: int) -> Floats:
    """[seconds], dB of full scale, -60 at the least: of each second of a clip, which may end earlier."""
    power = np.zeros(seconds * clip.rate, np.float32)
    heard = clip.samples[: len(power)]
    power[: len(heard)] = heard**2
    amplitude = np.sqrt(power.reshape(seconds, -1).mean(axis=1))
    return np.asarray(20 * np.log10(amplitude + _SILENCE), np.float32)


def events(found: SoundEvents, classes: Mapping[str, Sequence[str]], seconds: int) -> dict[str, Floats]:
    """[seconds] each, 0 to 1: the likeliest of the classes of each part; unknown classes are none."""
    middles = (np.arange(len(found.probabilities)) + 0.5) * found.step_us / 1e6
    asked = np.arange(seconds) + 0.5
    columns = {
        name: [found.names.index(c) for c in some if c in found.names] for name, some in classes.items()
    }
    best = {name: found.probabilities[:, some].max(axis=1, initial=0) for name, some in columns.items()}
    return {name: np.interp(asked, middles, p, right=0).astype(np.float32) for name, p in best.items()}


def weighted(parts: Mapping[str, Floats], weights: Mapping[str, float]) -> Floats:
    """[n], 0 to 1: the sum of the parts that there are, by their weights, which add up to 1 then."""
    total = sum(weights[name] for name in parts)
    return np.asarray(
        sum(part * np.float32(weights[name] / total) for name, part in parts.items()), np.float32
    )
