"""Recordings of strangers, decoded in children: what a file does to FFmpeg it does to no other request."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

import numpy as np
from numpy.typing import NDArray

from edged.children.terms import Terms, Work
from edged.children.values import Unfit, unpacked
from edged.children.wire import Message
from edged.contracts.errors import ChildDied
from edged.media.sound import PIECE, Sound, SoundLimits
from edged.requests.pool import Ask, ChildPool, descriptor_of

WORK = Work("edged.tenants.sound:open_decoder", {})
TERMS = Terms(
    memory_bytes=400_000_000,
    address_bytes=800_000_000,  # libraries take 240 MB before anything is read
    environment=(("OPENBLAS_NUM_THREADS", "1"),),
    start_s=60.0,
    again=False,
)


class Decoders:
    """Children that decode: each has one recording at a time. Safe from all threads."""

    def __init__(self) -> None:
        self._pool = ChildPool("the decoder of sound", WORK, TERMS)

    @contextmanager
    def open_sound(
        self,
        file: IO[bytes],
        limits: SoundLimits,
        play_duration_us: int | None,
        check: Callable[[], None],
    ) -> Iterator[Sound]:
        """As `media.sound.open_sound`. What `check` raises ends it, and the child; so does `ChildDied`."""
        with self._pool.child(check) as ask:
            yield Sound(_pieces(ask), _opened(ask, file, limits, play_duration_us))
            ask(Message({"verb": "close"}))

    def close(self) -> None:
        """End those that wait."""
        self._pool.close()


def _opened(ask: Ask, file: IO[bytes], limits: SoundLimits, play_duration_us: int | None) -> float | None:
    """Hand the file over; returns how long it says it is."""
    said = {"verb": "open", "limits": limits.model_dump(), "play_duration_us": play_duration_us}
    descriptor = descriptor_of(file)
    try:
        told = ask(Message(said, file=descriptor)).tree.get("seconds")
        seconds: float | None = unpacked(told, float | None, ())
        return seconds
    except Unfit as error:
        raise ChildDied(f"the decoder of sound says what is no length: {error}") from error
    finally:
        os.close(descriptor)


def _pieces(ask: Ask) -> Iterator[NDArray[np.float32]]:
    while True:
        said = ask(Message({"verb": "more"}))
        for piece in said.arrays:
            if piece.dtype != np.float32 or piece.ndim != 1 or len(piece) > PIECE:
                raise ChildDied("the decoder of sound says what is no sound")
            yield piece
        if said.tree.get("ended") is not False:
            return
