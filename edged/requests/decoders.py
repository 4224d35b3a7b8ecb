"""Recordings of strangers, decoded in children: what a file does to FFmpeg it does to no other request."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import IO

import numpy as np
from numpy.typing import NDArray

from edged.children.child import Child
from edged.children.talk import nothing_to_answer
from edged.children.terms import Terms, Work
from edged.children.values import Unfit, unpacked
from edged.children.wire import Message
from edged.contracts.errors import ChildDied
from edged.flow.budget import Budget
from edged.media.fetch import IN_MEMORY
from edged.media.sound import PIECE, Sound, SoundLimits

WORK = Work("edged.tenants.sound:open_decoder", {})
TERMS = Terms(
    memory_bytes=400_000_000,
    address_bytes=800_000_000,  # libraries take 240 MB before anything is read
    environment=(("OPENBLAS_NUM_THREADS", "1"),),
    start_s=60.0,
    again=False,
)
IDLE = 2
"""So many wait for the next recording, which then need not wait for them."""

Ask = Callable[[Message], Message]


class Decoders:
    """Children that decode: each has one recording at a time. Safe from all threads."""

    def __init__(self, memory: Budget) -> None:
        """`memory`: what they hold is counted there."""
        self._memory = memory
        self._idle: list[Child] = []
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
        child = self._taken()
        try:
            with child.turn(check) as turn:

                def ask(message: Message) -> Message:
                    return turn(message, check, nothing_to_answer)

                yield Sound(_pieces(ask), _opened(ask, file, limits, play_duration_us))
                ask(Message({"verb": "close"}))
        except BaseException:
            child.close()  # whatever it is at, nobody wants it
            raise
        self._give_back(child)

    def close(self) -> None:
        """End those that wait."""
        with self._lock:
            idle, self._idle = self._idle, []
        for child in idle:
            child.close()

    def _taken(self) -> Child:
        with self._lock:
            while self._idle:
                if (child := self._idle.pop()).trouble() is None:
                    return child
                child.close()
        terms = replace(TERMS, account=self._memory.account())
        child = Child("the decoder of sound", WORK, terms)
        child.start()
        return child

    def _give_back(self, child: Child) -> None:
        with self._lock:
            if len(self._idle) < IDLE:
                self._idle.append(child)
                return
        child.close()


def _opened(ask: Ask, file: IO[bytes], limits: SoundLimits, play_duration_us: int | None) -> float | None:
    """Hand the file over; returns how long it says it is."""
    said = {"verb": "open", "limits": limits.model_dump(), "play_duration_us": play_duration_us}
    descriptor = _descriptor(file)
    try:
        told = ask(Message(said, file=descriptor)).tree.get("seconds")
        seconds: float | None = unpacked(told, float | None, ())
        return seconds
    except Unfit as error:
        raise ChildDied(f"the decoder of sound says what is no length: {error}") from error
    finally:
        os.close(descriptor)


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
