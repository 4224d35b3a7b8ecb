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
    """How far over what is usual in the video a second must be for a part of 1: as far as the video's best
    second is, within `least` and `most`."""

    usual: float = Field(ge=0.5, lt=1)
    """Share of the seconds that have no more than what is usual; .5 is the median."""
    least: float = Field(gt=0)
    """Smaller differences are little, however even the rest is."""
    most: float = Field(gt=0)
    """A single second that is far beyond does not make all others alike."""

    def part(self, values: Floats, share: float) -> Floats:
        """[n], 0 to 1; nothing that fills no more than a `share` of the video, 0 to 1, is usual."""
        above = values - np.quantile(values, min(self.usual, max(0.0, 1 - share)))
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


class SoundParameters(Parameters):
    """What is heard."""

    sure: float = Field(gt=0, le=1)
    """Probability of a class from which on its part is 1."""
    classes: Mapping[str, tuple[str, ...]]
    """That make a part, by its name."""


def events(found: SoundEvents, wanted: SoundParameters, seconds: int) -> dict[str, Floats]:
    """[seconds] each, 0 to 1: of the likeliest of the classes of each part; unknown classes are none."""
    middles = (np.arange(len(found.probabilities)) + 0.5) * found.step_us / 1e6
    asked = np.arange(seconds) + 0.5
    columns = {
        name: [found.names.index(c) for c in some if c in found.names]
        for name, some in wanted.classes.items()
    }
    best = {name: found.probabilities[:, some].max(axis=1, initial=0) for name, some in columns.items()}
    sure = {name: np.minimum(probability / wanted.sure, 1) for name, probability in best.items()}
    return {name: np.interp(asked, middles, p, right=0).astype(np.float32) for name, p in sure.items()}


def weighted(parts: Mapping[str, Floats], weights: Mapping[str, float]) -> Floats:
    """[n], 0 to 1: the sum of the parts that there are, by their weights, which add up to 1 then."""
    total = sum(weights[name] for name in parts)
    return np.asarray(
        sum(part * np.float32(weights[name] / total) for name, part in parts.items()), np.float32
    )
