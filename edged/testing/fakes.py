"""Fakes of what the host gives to a model."""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from edged.contracts.items import AudioClip, Frame, Pixels, SpeechChunk
from edged.contracts.model import Options, StreamModel, Tensors, Tools
from edged.media.frame import PictureFrame

_MICROSECONDS = 1_000_000


class FakeSession:
    """A session that answers with `reply(inputs)` and remembers in `asked` what it was given."""

    def __init__(self, reply: Callable[[Tensors], Tensors]) -> None:
        self._reply = reply
        self.asked: list[Tensors] = []
        """The inputs of every run, oldest first."""

    def run(self, inputs: Tensors) -> Tensors:
        """Remember the inputs and give the reply."""
        self.asked.append(inputs)
        return self._reply(inputs)


class FakeRun:
    """A call without deadline; remembers in `reported` what the model said of its progress.

    With `stop` the call is over from the start: `check` raises it.
    """

    def __init__(self, stop: Exception | None = None) -> None:
        self._stop = stop
        self.reported: list[float] = []
        """Shares that are done, 0 to 1, in the order of the reports."""

    def progress(self, done: float) -> None:
        """Remember the share."""
        self.reported.append(done)

    def check(self) -> None:
        """Raise `stop`, if there is one."""
        if self._stop is not None:
            raise self._stop


def frame_of(bgr: Pixels, seq: int = 0) -> Frame:
    """A frame of [height, width, 3] BGR pixels, taken at the beginning of 1970."""
    return PictureFrame(bgr, 0.0, seq)


class VideoOfPictures:
    """A video of pictures that are given, shown evenly. Implements `contracts.items.Video`."""

    def __init__(self, pictures: Sequence[Pixels], frame_rate: float, sound: AudioClip | None = None) -> None:
        """`pictures` are [height, width, 3] in BGR, all of one size, at least one."""
        self.height, self.width = pictures[0].shape[:2]
        self.frame_rate = frame_rate
        self.seconds = len(pictures) / frame_rate
        self.has_sound = sound is not None
        self._frames = [PictureFrame(bgr, i / frame_rate, i) for i, bgr in enumerate(pictures)]
        self._sound = sound
        self._calls = 0

    def frames(
        self,
        start_us: int = 0,
        end_us: int | None = None,
        step_us: int | None = None,
        rate: float | None = None,
    ) -> Iterator[Frame]:
        if step_us is not None and rate is not None:
            raise ValueError("say `step_us` or `rate`, not both")
        end = min(self.seconds, math.inf if end_us is None else end_us / _MICROSECONDS)
        step = step_us / _MICROSECONDS if step_us is not None else 1 / rate if rate is not None else None
        self._calls += 1
        return self._shown(start_us / _MICROSECONDS, end, step, self._calls)

    def _shown(self, start: float, end: float, step: float | None, call: int) -> Iterator[Frame]:
        first, last = (math.ceil(round(at * self.frame_rate, 6)) for at in (start, end))
        wanted = range(first, last) if step is None else self._shown_at(start, end, step)
        for index in wanted:
            yield self._frames[index]
            if call != self._calls:
                raise RuntimeError("`frames` was called again, which ends what the earlier call had left")

    def _shown_at(self, start: float, end: float, step: float) -> Iterator[int]:
        marks = itertools.takewhile(lambda at: at < end, (start + n * step for n in itertools.count()))
        return (math.floor(round(at * self.frame_rate, 6)) for at in marks)

    def sound(self, start_us: int = 0, end_us: int | None = None) -> AudioClip | None:
        if self._sound is None:
            return None
        whole, rate = self._sound, self._sound.rate
        end = None if end_us is None else end_us * rate // _MICROSECONDS
        return AudioClip(whole.samples[start_us * rate // _MICROSECONDS : end], rate, start_us)


def chunks_of(clip: AudioClip, cuts: Sequence[int]) -> list[SpeechChunk]:
    """An utterance as it comes: cut before each of these samples, which are in order.

    Of a voice a chunk tells what there is of it so far.
    """
    borders = [0, *cuts, len(clip.samples)]
    return [
        SpeechChunk.of(_so_far(clip, end), begin, final=i == len(cuts))
        for i, (begin, end) in enumerate(itertools.pairwise(borders))
    ]


def _so_far(clip: AudioClip, end: int) -> AudioClip:
    voiced = tuple((first, min(last, end)) for first, last in clip.voiced if first < end)
    return replace(clip, samples=clip.samples[:end], voiced=voiced)


def stepped(
    model: StreamModel[Any, Any, Any, Any],
    chunks: Iterable[Any],
    options: Options,
    tools: Tools,
    state: Any = None,
) -> list[tuple[Any, Any]]:
    """What a model gives for each chunk, and its state after it; from `state` on, or from its start."""
    state = model.start(options) if state is None else state
    steps = []
    for chunk in chunks:
        result, state = model.step(chunk, state, options, tools, FakeRun())
        steps.append((result, state))
    return steps
