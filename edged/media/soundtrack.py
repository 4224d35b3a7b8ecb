"""The sound of a video, between two moments of its pictures."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import IO

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from edged.contracts.errors import NotUsable
from edged.media.container import open_media
from edged.media.packets import Placed, Reader
from edged.media.sound import PIECE, RATE, converted, sound_frames, sound_track

_BACK_S = 1.0
"""So much earlier decoding begins: what was heard before shapes a codec's first sounds."""


def sound_of(
    file: IO[bytes], span: tuple[float, float], origin: float, check: Callable[[], None]
) -> Iterator[NDArray[np.float32]]:
    """[n] each, all but the last `PIECE`, mono, -1 to 1, 16 kHz: from start to end, seconds of the pictures.

    `origin`: seconds of the first picture by the file's clock. Where the sound begins later there is silence
    before it; where it ends earlier it ends. What cannot be listened to is none.
    """
    held = np.empty(0, np.float32)
    for part in _parts(file, span, origin, check):
        held = np.concatenate([held, part])
        while len(held) >= PIECE:
            yield held[:PIECE]
            held = held[PIECE:]
    if len(held):
        yield held


def _parts(
    file: IO[bytes], span: tuple[float, float], origin: float, check: Callable[[], None]
) -> Iterator[NDArray[np.float32]]:
    """Of any length, but of no more than a frame's."""
    first, last = (round(min(max(0.0, second), 1e9) * RATE) for second in span)
    with ExitStack() as held:
        frames = _frames_from(file, span[0] + origin - _BACK_S, check, held)
        begin = next(frames, None)
        if begin is None:
            return
        at = round(((begin.time if begin.time is not None else origin) - origin) * RATE)
        for silent in range(first, min(at, last), PIECE):
            yield np.zeros(min(PIECE, min(at, last) - silent), np.float32)
        for block in _blocks(itertools.chain([begin], frames)):
            if at >= last:
                return
            yield block[max(0, first - at) : max(0, last - at)]
            at += len(block)


def _blocks(frames: Iterator[av.AudioFrame]) -> Iterator[NDArray[np.float32]]:
    with suppress(NotUsable):
        yield from converted(frames)


def _frames_from(
    file: IO[bytes], second: float, check: Callable[[], None], held: ExitStack
) -> Iterator[av.AudioFrame]:
    """Those from then on, by the file's clock, and some before."""
    if second > 0:
        container, track, reader = _opened(file, check, held)
        if _seek(container, track, reader, second):
            frames = sound_frames(container, track, reader)
            begin = next(frames, None)
            if begin is not None and begin.time is not None and begin.time <= second + _BACK_S:
                return itertools.chain([begin], frames)
    return sound_frames(*_opened(file, check, held))


def _seek(
    container: av.container.InputContainer, track: av.AudioStream, reader: Reader, second: float
) -> bool:
    """Whether the file can say where that is."""
    try:
        with reader.wandering():
            container.seek(round(second / track.time_base), stream=track)  # type: ignore[operator]
    except (av.error.FFmpegError, OverflowError, ZeroDivisionError):
        return False
    return True


def _opened(
    file: IO[bytes], check: Callable[[], None], held: ExitStack
) -> tuple[av.container.InputContainer, av.AudioStream, Reader]:
    reader = Reader(Placed(file), check)
    container = held.enter_context(open_media(reader))
    if (track := sound_track(container)) is None:
        raise NotUsable("has no sound track")
    return container, track, reader
