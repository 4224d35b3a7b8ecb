"""Where the best span is: its score, and what it has to do with cuts."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edged import Parameters

Seconds = NDArray[np.float64]

_ALIKE = 1e-6


class Cut(NamedTuple):
    """A new shot begins after the first of these seconds, at the latest at the second."""

    after: float
    until: float


class ShotParameters(Parameters):
    """What a cut is, and what it is worth not to cut through one."""

    ratio: float
    """So many times as much as around it the picture changes."""
    least: float
    """And at least so much: mean change of hue, saturation and brightness, 0 to 255."""
    tolerance: float
    """Share of what the best span stands out over the video's median that one without a cut may lack."""


def best_span(
    score: NDArray[np.float32],
    cuts: Sequence[Cut],
    video: tuple[float, float],
    length: float,
    tolerance: float,
    *,
    sure: bool,
) -> float:
    """The second at which the best span of `length` begins, in a video of (seconds, seconds between samples).

    The first of these kinds that has one that is as good as the best of all, but for the tolerance: within
    one shot; from the beginning of a shot; anywhere. Of equals the one in the middle is taken.

    `sure`: whether spans that may have a cut, as it is not known exactly, count as having one.
    """
    ends, step = video
    starts = _starts(cuts, ends, step, length)
    worth = _means(score, starts, length)
    usual = float(np.median(score))
    enough = usual + (worth.max() - usual) * (1 - tolerance)
    for kind in _kinds(starts, cuts, length, sure=sure):
        if kind.any() and worth[kind].max() >= enough:
            break
    alike = np.flatnonzero(kind & (worth >= worth[kind].max() - _ALIKE))
    return float(starts[alike[len(alike) // 2]])


def _starts(cuts: Sequence[Cut], ends: float, step: float, length: float) -> Seconds:
    """From each sample on, from each cut on, and up to each cut and to the end."""
    last = ends - length
    at_cuts = [second for cut in cuts for second in (cut.until, cut.after - length)]
    asked = np.array([*np.arange(0, last, step), *at_cuts, last])
    return np.unique(asked[(asked >= 0) & (asked <= last)])


def _means(score: NDArray[np.float32], starts: Seconds, length: float) -> Seconds:
    """The mean of the score over each span; a second of the score is even."""
    sums = np.concatenate([[0.0], np.cumsum(score, dtype=np.float64)])
    seconds = np.arange(len(sums))
    means = (np.interp(starts + length, seconds, sums) - np.interp(starts, seconds, sums)) / length
    return np.asarray(means, np.float64)


def _kinds(starts: Seconds, cuts: Sequence[Cut], length: float, *, sure: bool) -> Iterator[NDArray[np.bool_]]:
    after, until = (np.array([cut[i] for cut in cuts]) for i in (0, 1))
    ends = starts + length
    if sure:
        yield np.searchsorted(after, ends, "left") <= np.searchsorted(until, starts, "right")
    else:
        yield np.searchsorted(until, ends, "left") <= np.searchsorted(after, starts, "left")
    yield np.isin(starts, [0.0, *until])
    yield np.ones(len(starts), bool)
