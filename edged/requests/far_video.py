"""A stranger's video that is decoded in a child: the daemon's end, which believes nothing of it."""

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edged.children.values import Unfit, unpacked
from edged.children.wire import TICK_S, Message
from edged.contracts.errors import ChildDied
from edged.contracts.items import AudioClip, Frame
from edged.media.colour import Matrix, YuvPicture
from edged.media.footage import VideoFacts, VideoLimits, check_current, step_of
from edged.media.frame import PlanarFrame
from edged.media.sound import PIECE, RATE

Ask = Callable[[Message], Message]

_MOST_WORDS = 500


@dataclass(frozen=True, slots=True)
class SentPicture:
    """What the child tells of a picture beside its planes."""

    at: float
    number: int
    turns: int
    matrix: Matrix
    full_range: bool


@dataclass(frozen=True, slots=True)
class SentPictures:
    """What the child tells at a time."""

    pictures: Sequence[SentPicture]
    shown: Sequence[int]
    """In which order, each by its place in `pictures`; -1: the last one of what was told before."""
    ended: bool
    damaged: str | None


class FarVideo:
    """A video in a child. Implements `contracts.items.Video`; for one thread.

    While who asked works on some pictures, the child decodes the next.
    """

    def __init__(
        self, ask: Ask, executor: Executor, check: Callable[[], None], limits: VideoLimits, opened: Message
    ) -> None:
        """`ask` is called in a thread of the executor, which has one; `opened`: what the child said first."""
        self._ask, self._executor, self._check = ask, executor, check
        facts = _facts(opened, limits)
        self.width, self.height, self.frame_rate = facts.width, facts.height, facts.frame_rate
        self.seconds, self.has_sound = facts.seconds, facts.has_sound
        self.damaged: str | None = _words(opened.tree.get("damaged"))
        """What of it could not be decoded, in a sentence: of what was read so far."""
        self._most_pieces = 1 + math.ceil(limits.max_seconds * RATE / PIECE)
        self._calls = 0

    def frames(
        self,
        start_us: int = 0,
        end_us: int | None = None,
        step_us: int | None = None,
        rate: float | None = None,
    ) -> Iterator[Frame]:
        """See `contracts.items.Video`. Raises what `check` and `Footage.frames` do, and `ChildDied`."""
        step_of(step_us, rate)
        self._calls += 1
        span = {"start_us": start_us, "end_us": end_us, "step_us": step_us, "rate": rate}
        return self._shown(self._later({"verb": "frames", **span}), self._calls)

    def sound(self, start_us: int = 0, end_us: int | None = None) -> AudioClip | None:
        """See `contracts.items.Video`; raises as `frames`."""
        if not self.has_sound:
            return None
        said = self._now({"verb": "sound", "start_us": start_us, "end_us": end_us})
        pieces = _pieces(said)
        while said.tree.get("ended") is not True and len(pieces) <= self._most_pieces:
            said = self._now({"verb": "more_sound"})
            pieces += _pieces(said)
        if len(pieces) > self._most_pieces:
            raise ChildDied("the decoder of video says what is no end of sound")
        return AudioClip(np.concatenate([*pieces, np.empty(0, np.float32)]), RATE, start_us)

    def _shown(self, coming: Future[Message], call: int) -> Iterator[Frame]:
        last: Frame | None = None
        while True:
            said = self._waited(coming)
            check_current(call, self._calls)
            told, frames = self._received(said)
            if not told.ended:
                coming = self._later({"verb": "more"})
            for index in told.shown:
                last = frames[index] if index >= 0 else last
                if last is None:
                    raise ChildDied("the decoder of video shows a picture that it has not sent")
                yield last
                check_current(call, self._calls)
            if told.ended:
                return

    def _received(self, said: Message) -> tuple[SentPictures, list[Frame]]:
        """Raises `ChildDied` for what is none."""
        try:
            told: SentPictures = unpacked(said.tree, SentPictures, ())
        except Unfit as error:
            raise ChildDied(f"the decoder of video says what is no picture: {error}") from error
        if len(said.arrays) != 3 * len(told.pictures) or not all(
            -1 <= index < len(told.pictures) for index in told.shown
        ):
            raise ChildDied("the decoder of video says what are no pictures")
        self.damaged = _words(told.damaged)
        planes = iter(said.arrays)
        return told, [self._frame(one, (next(planes), next(planes), next(planes))) for one in told.pictures]

    def _frame(self, told: SentPicture, planes: tuple[NDArray[Any], NDArray[Any], NDArray[Any]]) -> Frame:
        height, width = (self.width, self.height) if told.turns % 2 else (self.height, self.width)
        small = (height + 1) // 2, (width + 1) // 2
        fits = all(
            plane.dtype == np.uint8 and plane.shape == shape
            for plane, shape in zip(planes, ((height, width), small, small), strict=True)
        )
        if not fits or told.turns not in range(4) or not 0 <= told.at < math.inf or told.number < 0:
            raise ChildDied("the decoder of video says what is no picture")
        return PlanarFrame(YuvPicture(planes, told.matrix, told.full_range), told.turns, told.at, told.number)

    def _now(self, said: dict[str, Any]) -> Message:
        return self._waited(self._later(said))

    def _later(self, said: dict[str, Any]) -> Future[Message]:
        return self._executor.submit(self._ask, Message(said))

    def _waited(self, coming: Future[Message]) -> Message:
        while not wait([coming], TICK_S).done:
            self._check()
        return coming.result()


def _facts(said: Message, limits: VideoLimits) -> VideoFacts:
    try:
        facts: VideoFacts = unpacked(said.tree.get("facts"), VideoFacts, ())
    except Unfit as error:
        raise ChildDied(f"the decoder of video says what is no video: {error}") from error
    numbers = [number for number in (facts.frame_rate, facts.seconds) if number is not None]
    if (
        min(facts.width, facts.height) < 1
        or facts.width * facts.height > limits.max_pixels
        or not all(0 < number < math.inf for number in numbers)
    ):
        raise ChildDied("the decoder of video says what is no video")
    return facts


def _words(said: Any) -> str | None:
    return said[:_MOST_WORDS] if isinstance(said, str) else None


def _pieces(said: Message) -> list[NDArray[np.float32]]:
    for piece in said.arrays:
        if piece.dtype != np.float32 or piece.ndim != 1 or len(piece) > PIECE:
            raise ChildDied("the decoder of video says what is no sound")
    return list(said.arrays)
