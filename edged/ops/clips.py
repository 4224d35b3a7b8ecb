"""Cutting sound at pauses: where a clip ends, and in which spans of it somebody speaks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edged.contracts.items import AudioClip

WINDOW = 512
"""Samples for which the voice activity has one probability: 32 ms."""
_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class CutRules:
    """When a clip ends and what counts as a voice. Seconds, and probabilities of 0 to 1."""

    about: float = 20.0
    """From here on the next short pause ends a clip."""
    longest: float = 29.5
    """No clip is longer: without a pause it ends where a voice is least likely."""
    short_pause: float = 0.25
    voice: float = 0.5
    """From this probability on somebody speaks."""
    silence: float = 0.35
    """Who speaks is done below it."""
    shortest_voice: float = 0.1
    """A shorter noise is no voice."""
    margin: float = 0.1
    """Before and after the voice that belong to it: soft consonants."""


class Cutter:
    """Collects windows and gives clips, one after another, without a gap. Used by one thread."""

    def __init__(self, rules: CutRules, rate: int) -> None:
        self._rules = rules
        self._rate = rate
        self._windows: list[NDArray[np.float32]] = []
        self._probabilities: list[float] = []
        self._quiet = 0
        self._speaks = False
        self._start = 0

    def put(self, samples: NDArray[np.float32], probabilities: NDArray[np.floating]) -> Iterator[AudioClip]:
        """[n] samples, and for each of their windows the probability of a voice; clips that end within them.

        All but the last piece of a recording have whole windows.
        """
        for i, probability in enumerate(probabilities.tolist()):
            self._windows.append(samples[i * WINDOW : (i + 1) * WINDOW])
            self._probabilities.append(probability)
            self._speaks = probability >= (self._rules.silence if self._speaks else self._rules.voice)
            self._quiet = 0 if self._speaks else self._quiet + 1
            if (end := self._end()) is not None:
                yield self._cut(end)

    def rest(self) -> AudioClip | None:
        """What is left at the end of the recording."""
        return self._cut(len(self._windows)) if self._windows else None

    def _count(self, seconds: float) -> int:
        return round(seconds * self._rate / WINDOW)

    def _end(self) -> int | None:
        """Windows of the clip that ends here; none: it goes on."""
        count, pause = len(self._windows), self._count(self._rules.short_pause)
        if count >= self._count(self._rules.longest):
            half = self._count(self._rules.about) // 2
            return half + int(np.argmin(self._probabilities[half:])) + 1
        if count >= self._count(self._rules.about) and self._quiet >= pause:
            return count - pause // 2
        return None

    def _cut(self, end: int) -> AudioClip:
        clip = clip_of(self._windows[:end], self._probabilities[:end], self._start, self._rate, self._rules)
        self._start += len(clip.samples)
        del self._windows[:end], self._probabilities[:end]
        return clip


def clip_of(
    windows: Sequence[NDArray[np.float32]],
    probabilities: Sequence[float],
    start: int,
    rate: int,
    rules: CutRules,
) -> AudioClip:
    """A clip of windows, [n] samples each, and the probability of a voice in each, 0 to 1.

    `start`: samples before it; `rate`: samples a second.
    """
    samples = np.concatenate(windows)
    margin = round(rules.margin * rate)
    voiced = _joined(
        (max(0, begin * WINDOW - margin), min(len(samples), stop * WINDOW + margin))
        for begin, stop in voiced_spans(np.array(probabilities), rules)
        if (stop - begin) * WINDOW >= rules.shortest_voice * rate
    )
    return AudioClip(samples, rate, start * _MICROSECONDS // rate, tuple(voiced))


def voiced_parts(clip: AudioClip, pause: float, longest: float) -> list[AudioClip]:
    """The stretches in which somebody speaks, without what is before, between and after them.

    `pause`: seconds of silence that part two stretches; `longest`: seconds that a stretch may have, unless
    nobody pauses in it at all.
    """
    groups: list[list[tuple[int, int]]] = []
    for begin, end in clip.voiced:
        if (
            not groups
            or begin - groups[-1][-1][1] >= pause * clip.rate
            or end - groups[-1][0][0] > longest * clip.rate
        ):
            groups.append([])
        groups[-1].append((begin, end))
    return [_part(clip, spans) for spans in groups]


def _part(clip: AudioClip, spans: Sequence[tuple[int, int]]) -> AudioClip:
    begin, end = spans[0][0], spans[-1][1]
    start_us = clip.start_us + begin * _MICROSECONDS // clip.rate
    voiced = tuple((first - begin, last - begin) for first, last in spans)
    return AudioClip(clip.samples[begin:end], clip.rate, start_us, voiced)


def voiced_spans(probabilities: NDArray[np.floating], rules: CutRules) -> list[tuple[int, int]]:
    """Of [n] probabilities, 0 to 1, the windows in which somebody speaks: first, and the one after the last.

    Speech begins at the rules' `voice` and ends below their `silence`.
    """
    spans: list[tuple[int, int]] = []
    begin: int | None = None
    for i, probability in enumerate(probabilities.tolist()):
        if begin is None and probability >= rules.voice:
            begin = i
        elif begin is not None and probability < rules.silence:
            spans.append((begin, i))
            begin = None
    return spans if begin is None else [*spans, (begin, len(probabilities))]


def _joined(spans: Iterator[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans in order, those that touch made one."""
    joined: list[tuple[int, int]] = []
    for begin, end in spans:
        if joined and begin <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((begin, end))
    return joined
