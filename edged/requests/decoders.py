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

from edged.children.child import Child
from edged.children.talk import nothing_to_answer
from edged.children.terms import Terms, Work
from edged.children.values import Unfit, unpacked
from edged.children.wire import Message, Tree
from edged.contracts.errors import ChildDied
from edged.media.fetch import IN_MEMORY
from edged.media.footage import VideoLimits, footage_bytes
from edged.media.sound import PIECE, Sound, SoundLimits
from edged.requests.far_video import FarVideo

SOUND_WORK = Work("edged.tenants.sound:open_decoder", {})
SOUND_TERMS = Terms(
    memory_bytes=400_000_000,
    address_bytes=800_000_000,  # libraries take 240 MB before anything is read
    environment=(("OPENBLAS_NUM_THREADS", "1"),),
    start_s=60.0,
    again=False,
)
VIDEO_WORK = Work("edged.tenants.footage:open_projector", {})
_LIBRARIES_ADDRESS = 700_000_000
"""Of which most is never touched: libraries, and the stacks and heaps of threads."""
IDLE = 2
"""So many of a kind wait for the next recording or video, which then need not wait for them."""

Ask = Callable[[Message], Message]


class Decoders:
    """Children that decode: each has one recording or video at a time. Safe from all threads."""

    def __init__(self) -> None:
        self._idle: dict[Terms, list[Child]] = {}
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
        with self._child("the decoder of sound", SOUND_WORK, SOUND_TERMS) as child, child.turn(check) as turn:

            def ask(message: Message) -> Message:
                return turn(message, check, nothing_to_answer)

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
        with (
            self._child("the decoder of video", VIDEO_WORK, video_terms(limits)) as child,
            child.turn(check) as turn,
            _thread_of(child) as executor,
        ):

            def ask(message: Message) -> Message:
                return turn(message, check, _alive)

            said = {"limits": limits.model_dump(), "play_duration_us": play_duration_us}
            opened = _opened(ask, file, said)
            yield FarVideo(ask, executor, check, limits, opened)
            executor.submit(ask, Message({"verb": "close"})).result()

    def close(self) -> None:
        """End those that wait."""
        with self._lock:
            idle, self._idle = self._idle, {}
        for child in (child for children in idle.values() for child in children):
            child.close()

    @contextmanager
    def _child(self, name: str, work: Work, terms: Terms) -> Iterator[Child]:
        """One that lives, which nobody else has; ended when anything goes wrong, else kept for the next."""
        child = self._taken(name, work, terms)
        try:
            yield child
        except BaseException:
            child.close()  # whatever it is at, nobody wants it
            raise
        with self._lock:
            idle = self._idle.setdefault(terms, [])
            if len(idle) < IDLE:
                idle.append(child)
                return
        child.close()

    def _taken(self, name: str, work: Work, terms: Terms) -> Child:
        with self._lock:
            idle = self._idle.get(terms, [])
            while idle:
                if (child := idle.pop()).trouble() is None:
                    return child
                child.close()
        child = Child(name, work, terms)
        child.start()
        return child


def video_terms(limits: VideoLimits) -> Terms:
    """Of a child that decodes video within these limits."""
    memory = footage_bytes(limits)
    return replace(
        SOUND_TERMS,
        memory_bytes=memory,
        address_bytes=memory + _LIBRARIES_ADDRESS,
        environment=(*SOUND_TERMS.environment, ("OPENCV_FOR_THREADS_NUM", "1"), ("MALLOC_ARENA_MAX", "2")),
    )


@contextmanager
def _thread_of(child: Child) -> Iterator[ThreadPoolExecutor]:
    """A thread that asks the child; when anything goes wrong it need not be waited for."""
    executor = ThreadPoolExecutor(1, "video")
    try:
        yield executor
    except BaseException:
        child.close()
        raise
    finally:
        executor.shutdown()


def _alive(said: Message) -> None:
    """It is at work, of which it tells now and then."""
    if said.tree.get("said") != "working":
        nothing_to_answer(said)


def _opened(ask: Ask, file: IO[bytes], said: Tree) -> Message:
    """Hand the file over; returns what is said of it."""
    descriptor = _descriptor(file)
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


def _descriptor(file: IO[bytes]) -> int:
    """Of a small file that lies in memory one of a copy; of any other one its own, doubled."""
    if file.seek(0, os.SEEK_END) > IN_MEMORY:
        return os.dup(file.fileno())
    file.seek(0)
    descriptor = os.memfd_create("recording", os.MFD_CLOEXEC)
    with os.fdopen(os.dup(descriptor), "wb") as copy:
        copy.write(file.read())
    return descriptor


def _pieces(ask: Ask) -> Iterator[NDArray[np.float32]]:
    while True:
        said = ask(Message({"verb": "more"}))
        for piece in said.arrays:
            if piece.dtype != np.float32 or piece.ndim != 1 or len(piece) > PIECE:
                raise ChildDied("the decoder of sound says what is no sound")
            yield piece
        if said.tree.get("ended") is not False:
            return
