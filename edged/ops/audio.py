"""What networks see of sound: frames, and how strong each band of pitches is in them."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

_FLOOR = 1e-9
"""Added before the logarithm."""
_EPSILON = float(np.finfo(np.float32).eps)
"""Kaldi's floor of a power."""
_SILENCE = np.float32(-10)
"""Decimal logarithm of a power that counts as silence."""


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
    power = _power(emphasised * np.hanning(length), points)
    edges = _oshaughnessy(lowest, rate / 2, bands + 2)
    return np.log(power @ _triangles(rate, points, edges).T + _FLOOR).astype(np.float32)


def slaney_mel(samples: NDArray[np.float32], *, rate: int = 16_000, bands: int = 80) -> NDArray[np.float32]:
    """[n, bands] f32: the decimal logarithm of the power in each band, a frame of 25 ms every 10 ms.

    As Whisper's front end computes it, and `librosa.feature.melspectrogram`: periodic Hann window, frames
    around each multiple of 10 ms with the ends mirrored, triangles that are evenly spread in Slaney's mel
    (Auditory Toolbox, 1998) and each of area one.
    """
    length, hop = rate // 40, rate // 100
    around = np.pad(samples, length // 2, mode="reflect" if len(samples) > length // 2 else "constant")
    cut = frames(around, length, hop)[: len(samples) // hop]
    window = np.hanning(length + 1)[:-1].astype(np.float32)
    edges = _slaney(0.0, rate / 2, bands + 2)
    triangles = _triangles(rate, length, edges).astype(np.float32)
    with np.errstate(divide="ignore"):  # a floor below the logarithm would be -10.000001 on some CPUs
        mels: NDArray[np.float32] = np.log10(_power(cut * window, length) @ triangles.T)
    return np.maximum(mels, _SILENCE)


def kaldi_fbank(
    samples: NDArray[np.float32],
    *,
    rate: int = 16_000,
    bands: int = 80,
    first: int = 0,
    count: int | None = None,
) -> NDArray[np.float32]:
    """[n, bands] f32: the natural logarithm of the power in each band, a frame of 25 ms every 10 ms.

    As Kaldi computes it (https://kaldi-asr.org) with `snip_edges=false`, `dither=0` and `high_freq=-400`:
    frames around each 10 ms with the ends mirrored, each without its mean and pre-emphasised by .97, a Povey
    window, triangles from 20 Hz on that are linear in mel (O'Shaughnessy's formula).

    `first` and `count` (none: all) choose frames of the whole. Of sound that goes on only the first
    `kaldi_frames(..., ended=False)` stay as they are.
    """
    length, hop = rate // 40, rate // 100
    there = kaldi_frames(len(samples), rate=rate)
    wanted = np.arange(first, there if count is None else min(first + count, there))
    places = wanted[:, None] * hop + np.arange(length) - (length - hop) // 2
    mirrored = np.abs(places + 0.5) - 0.5  # -1 is 0, -2 is 1
    last = 2 * len(samples) - 1 - mirrored
    cut = samples[np.clip(np.minimum(mirrored, last), 0, len(samples) - 1).astype(int)]
    cut = cut - cut.mean(axis=1, keepdims=True)
    cut = cut - 0.97 * np.concatenate([cut[:, :1], cut[:, :-1]], axis=1)
    points = 1 << (length - 1).bit_length()
    power = _power(cut * np.hanning(length) ** 0.85, points)
    triangles = _in_mel(rate, points, bands, 20.0, rate / 2 - 400)
    return np.log(np.maximum(power @ triangles.T, _EPSILON)).astype(np.float32)


def kaldi_frames(samples: int, *, rate: int = 16_000, ended: bool = True) -> int:
    """How many frames `kaldi_fbank` makes of so many samples; of sound that has not `ended`, those alone that
    no sample behind changes."""
    length, hop = rate // 40, rate // 100
    if ended:
        return (samples + hop // 2) // hop
    return max(0, samples - (length + hop) // 2 + hop) // hop


@cache
def _in_mel(rate: int, points: int, bands: int, lowest: float, highest: float) -> NDArray[np.float64]:
    """[bands, points / 2 + 1]: triangles that are linear in mel, of height one."""

    def mel(hertz: NDArray[np.floating]) -> NDArray[np.floating]:
        return np.asarray(1127 * np.log(1 + hertz / 700))

    first, last = mel(np.array([lowest, highest])).tolist()
    edges = np.linspace(first, last, bands + 2)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    bins = mel(np.arange(points // 2 + 1) * rate / points)
    rising, falling = (bins - low) / (middle - low), (high - bins) / (high - middle)
    triangles: NDArray[np.float64] = np.clip(np.minimum(rising, falling), 0, None)
    triangles[:, -1] = 0  # Kaldi leaves the highest bin out
    return triangles


def _power(cut: NDArray[np.floating], points: int) -> NDArray[np.floating]:
    spectrum = np.fft.rfft(cut, points)
    power: NDArray[np.floating] = spectrum.real**2 + spectrum.imag**2
    return power


@cache
def _triangles(rate: int, points: int, edges: tuple[float, ...]) -> NDArray[np.float64]:
    """[bands, points / 2 + 1]: from each edge over the next to the one after it, in Hz."""
    hertz = np.array(edges)
    low, middle, high = hertz[:-2, None], hertz[1:-1, None], hertz[2:, None]
    bins = np.arange(points // 2 + 1) * rate / points
    rising, falling = (bins - low) / (middle - low), (high - bins) / (high - middle)
    triangles: NDArray[np.float64] = np.clip(np.minimum(rising, falling), 0, None) * 2 / (high - low)
    return triangles


@cache
def _oshaughnessy(lowest: float, highest: float, count: int) -> tuple[float, ...]:
    """Hz, evenly spread in 2595 log10(1 + f / 700)."""
    first, last = (2595 * float(np.log10(1 + hertz / 700)) for hertz in (lowest, highest))
    return tuple((700 * (10 ** (np.linspace(first, last, count) / 2595) - 1)).tolist())


@cache
def _slaney(lowest: float, highest: float, count: int) -> tuple[float, ...]:
    """Hz, evenly spread in a scale that is linear up to 1 kHz, 200/3 Hz a step, and logarithmic above."""
    step, knee, growth = 200 / 3, 1000.0, np.log(6.4) / 27

    def mel(hertz: float) -> float:
        return hertz / step if hertz < knee else knee / step + float(np.log(hertz / knee) / growth)

    mels = np.linspace(mel(lowest), mel(highest), count)
    above = knee * np.exp(growth * (mels - knee / step))
    return tuple(np.where(mels < knee / step, mels * step, above).tolist())
