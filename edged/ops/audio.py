"""What networks see of sound: frames, and how strong each band of pitches is in them."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

_FLOOR = 1e-9
"""Added before the logarithm."""


def frames(samples: NDArray[np.float32], length: int, hop: int) -> NDArray[np.float32]:
    """[n, length], a view: every frame that fits wholly; none when the sound is shorter than one."""
    if len(samples) < length:
        return np.empty((0, length), samples.dtype)
    return np.lib.stride_tricks.sliding_window_view(samples, length)[::hop]


def sidekit_mel(
    samples: NDArray[np.float32], *, rate: int = 16_000, bands: int = 24, lowest: float = 100.0
) -> NDArray[np.float32]:
    """[n, bands] f32: the logarithm of the power in each band, a frame of 25 ms every 10 ms.

    As SIDEKIT computes it (Larcher et al., https://projets-lium.univ-lemans.fr/sidekit), up to a constant:
    pre-emphasis of .97 within a frame, Hann window, triangles from `lowest` Hz to half of `rate` that are
    evenly spread in mel (O'Shaughnessy's formula) and each of area one.
    """
    length, hop = rate // 40, rate // 100
    cut = frames(samples, length, hop)
    emphasised = cut - 0.97 * np.concatenate([cut[:, :1], cut[:, :-1]], axis=1)
    points = 1 << (length - 1).bit_length()
    spectrum = np.fft.rfft(emphasised * np.hanning(length), points)
    power = spectrum.real**2 + spectrum.imag**2
    return np.log(power @ _triangles(rate, points, bands, lowest).T + _FLOOR).astype(np.float32)


@cache
def _triangles(rate: int, points: int, bands: int, lowest: float) -> NDArray[np.float64]:
    """[bands, points / 2 + 1]."""
    mels = np.linspace(_mel(lowest), _mel(rate / 2), bands + 2)
    edges = 700 * (10 ** (mels / 2595) - 1)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    bins = np.arange(points // 2 + 1) * rate / points
    rising, falling = (bins - low) / (middle - low), (high - bins) / (high - middle)
    triangles: NDArray[np.float64] = np.clip(np.minimum(rising, falling), 0, None) * 2 / (high - low)
    return triangles


def _mel(hertz: float) -> float:
    return float(2595 * np.log10(1 + hertz / 700))
