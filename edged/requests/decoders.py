"""Sound and video of strangers, decoded in children: what a file does to FFmpeg harms no other request."""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import IO

import numpy as np
from numpy.typing import NDArray

from edged.children.talk import nothing_to_answer
from edged.children.terms import Terms, Work
from edged.children.values import Unfit, unpacked
from edged.children.wire import Message, Tree
from edged.contracts.errors import ChildDied
from edged.flow.budget import Budget
from edged.media.footage import VideoLimits, footage_bytes
from edged.media.sound import PIECE, Sound, SoundLimits
from edged.requests.far_video import FarVideo
from edged.requests.pool import Ask, ChildPool, descriptor_of

SOUND_WORK = Work("edged.tenants.sound:open_decoder", {})
SOUND_TERMS = Terms(
    memory_bytes=400_000_000,
    address_bytes=800_000_000,  # libraries take 240 MB before anything is read
    environment=(("OPENBLAS_NUM_THREADS", "1"),),
    start_s=60.0,
    again=False,
)
IDLE = 2
"""So many decoders of sound wait for the next recording. Of video none does: a second is nothing to it, and
the memory of a large one stays with the process."""
VIDEO_WORK = Work("edged.tenants.footage:open_projector", {})
_LIBRARIES_ADDRESS = 700_000_000
"""Of which most is never touched: libraries, and the stacks and heaps of threads."""


class Decoders:
    """Children that decode: each has one recording or video at a time. Safe from all threads."""

    def __init__(self, memory: Budget, idle: int = 0) -> None:
        """`memory`: what they hold is counted there; `idle`: so many of video wait for the next one."""
        self._memory = memory
        self._idle = idle
        self._sound = ChildPool("the decoder of sound", SOUND_WORK, SOUND_TERMS, memory, IDLE)
        self._video: dict[VideoLimits, ChildPool] = {}
        self._lock = threading.Lock()

    @contextmanager
    def open_sound(
        self,
        file: IO[bytes],
        limits: SoundLimits,
        play_duration_us: int | None,
        check: Callable[[], None],
    ) -> Iterator[Sound]:
        """As `media.sound.open_sound`. What `check` raises ends it, and the child; so does `ChildDied`."""
        with self._sound.child(check) as ask:
            said = {"limits": limits.model_dump(), "play_duration_us": play_duration_us}
            yield Sound(_pieces(ask), _seconds(_opened(ask, file, said)))
            ask(Message({"verb": "close"}))

    @contextmanager
    def open_video(
        self,
        file: IO[bytes],
        limits: VideoLimits,
        play_duration_us: int | None,
        check: Callable[[], None],
    ) -> Iterator[FarVideo]:
        """As `media.footage.open_footage`; ends as `open_sound` does. The video is for one thread."""
        pool = self._pool_for(limits)
        # When anything goes wrong the child ends first: then the thread has nothing to wait for.
        with ThreadPoolExecutor(1, "video") as executor, pool.child(check, _alive) as ask:
            said = {"limits": limits.model_dump(), "play_duration_us": play_duration_us}
            yield FarVideo(ask, executor, check, limits, _opened(ask, file, said))
            executor.submit(ask, Message({"verb": "close"})).result()

    def close(self) -> None:
        """End those that wait."""
        for pool in (self._sound, *self._video.values()):
            pool.close()

    def _pool_for(self, limits: VideoLimits) -> ChildPool:
        with self._lock:
            if (pool := self._video.get(limits)) is None:
                terms = video_terms(limits)
                pool = ChildPool("the decoder of video", VIDEO_WORK, terms, self._memory, self._idle)
                self._video[limits] = pool
            return pool


def video_terms(limits: VideoLimits) -> Terms:
    """Of a child that decodes video within these limits."""
    memory = footage_bytes(limits)
    return replace(
        SOUND_TERMS,
        memory_bytes=memory,
        address_bytes=memory + _LIBRARIES_ADDRESS,
        environment=(*SOUND_TERMS.environment, ("OPENCV_FOR_THREADS_NUM", "1"), ("MALLOC_ARENA_MAX", "2")),
    )


def _alive(said: Message) -> None:
    """It is at work, of which it tells now and then."""
    if said.tree.get("said") != "working":
        nothing_to_answer(said)


def _opened(ask: Ask, file: IO[bytes], said: Tree) -> Message:
    """Hand the file over; returns what is said of it."""
    descriptor = descriptor_of(file)
    try:
        return ask(Message({"verb": "open", **said}, file=descriptor))
    finally:
        os.close(descriptor)


def _seconds(opened: Message) -> float | None:
    """How long a recording says it is."""
    try:
        seconds: float | None = unpacked(opened.tree.get("seconds"), float | None, ())
    except Unfit as error:
        raise ChildDied(f"the decoder of sound says what is no length: {error}") from error
    return seconds


def _pieces(ask: Ask) -> Iterator[NDArray[np.float32]]:
    while True:
        said = ask(Message({"verb": "more"}))
        for piece in said.arrays:
            if piece.dtype != np.float32 or piece.ndim != 1 or len(piece) > PIECE:
                raise ChildDied("the decoder of sound says what is no sound")
            yield piece
        if said.tree.get("ended") is not False:
            return
