"""Memory files in which arrays go from one process to another.

They are sealed, so that nobody can shorten what somebody else has mapped. *Measured* where copying a picture
of 720p takes .21 ms: .22 into a file that stays mapped, .42 by `pwrite`, .7 into a new one each time.
"""

import fcntl
import math
import mmap
import os
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Form = tuple[str, Sequence[int]]
"""Type and shape of an array, as a message lists it."""

MOST_ARRAYS = 256_000_000
"""Bytes of arrays in one message from a child: a picture of 8000 x 8000 with some room."""
_ALIGNED, _PIECE = 64, 1 << 16
_NUMBERS = "biuf"
_MOST_AXES = 8
_FREE_ROOMS, _FREE_BYTES = 2, 64_000_000
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
_OWN_REFERENCES = 3
"""To a holder that nobody has but `let_go`: of its list, of its loop, and of who counts."""
_NOTHING = np.empty(0, np.uint8)


class Garbled(Exception):
    """The other side said something that is no message."""


@dataclass(frozen=True, slots=True, eq=False)
class Room:
    """A memory file, mapped as long as it is used."""

    number: int
    file: int
    memory: mmap.mmap

    def close(self) -> None:
        """Give it back; who has mapped it may go on to read."""
        self.memory.close()
        os.close(self.file)


class Lender:
    """Rooms to send arrays in; one is used again when its reader has let go of it."""

    def __init__(self) -> None:
        self._free: list[Room] = []
        self._lent: list[Room] = []
        self._made = 0
        self.gone: list[int] = []
        """Numbers of rooms that are not used any more, until they are told."""

    def filled(self, arrays: Sequence[NDArray[Any]]) -> Room:
        """A room with the arrays, of any shapes, copied into it one after another; lent until `settle`."""
        total = sum(_room(array.nbytes) for array in arrays)
        fits = [room for room in self._free if len(room.memory) >= total]
        room = min(fits, key=lambda one: len(one.memory), default=None)
        if room is None:
            room = self._new(total)
        else:
            self._free.remove(room)
        self._lent.append(room)
        memory, at = np.frombuffer(room.memory, np.uint8), 0
        for array in arrays:
            memory[at : at + array.nbytes] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
            at += _room(array.nbytes)
        return room

    def settle(self, kept: Collection[int] = ()) -> None:
        """The reader has let go of all but those with these numbers, counted from the last `settle`."""
        for number, room in enumerate(self._lent):
            small = len(room.memory) <= _FREE_BYTES
            if number not in kept and small:
                self._free.append(room)
            else:
                self._drop(room)
        self._lent.clear()
        while len(self._free) > _FREE_ROOMS:
            self._drop(self._free.pop(0))

    def close(self) -> None:
        """Give all of them back."""
        for room in self._lent + self._free:
            room.close()
        self._lent, self._free = [], []

    def _new(self, total: int) -> Room:
        size = max(1, -(-total // _PIECE)) * _PIECE
        file = os.memfd_create("edged", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(file, size)
        fcntl.fcntl(file, fcntl.F_ADD_SEALS, _SEALS)
        self._made += 1
        return Room(self._made, file, mmap.mmap(file, size))

    def _drop(self, room: Room) -> None:
        self.gone.append(room.number)
        room.close()


class Copier:
    """Reads what a child sends: each array is copied out of its file, which may be too short."""

    def arrays(self, file: int, said: Sequence[Form]) -> list[NDArray[Any]]:
        """Those that a message lists. Raises `Garbled`."""
        forms = [_form(dtype, shape) for dtype, shape in said]
        if (total := sum(_room(size) for _, _, size in forms)) > MOST_ARRAYS:
            raise Garbled(f"arrays of {total} bytes are more than {MOST_ARRAYS}")
        found, at = [], 0
        for dtype, shape, size in forms:
            found.append(_copied(file, at, size).view(dtype).reshape(shape))
            at += _room(size)
        return found


class Tenure:
    """Reads what the parent sends in place, and knows what of it is still held at the end of a call."""

    def __init__(self) -> None:
        self._known: dict[int, mmap.mmap] = {}
        self._used: list[tuple[int, Any]] = []
        self._memory = _NOTHING

    def knows(self, number: int) -> bool:
        """Whether the file of a room has come."""
        return number in self._known

    def enter(self, number: int, file: int | None) -> None:
        """A room that a message uses; with its file when it is used first."""
        if file is not None:
            size = os.fstat(file).st_size
            flags = mmap.MAP_SHARED | mmap.MAP_POPULATE
            self._known[number] = mmap.mmap(file, size, flags, mmap.PROT_READ)
        self._memory = np.frombuffer(self._known[number], np.uint8)
        # Every array that is made of it refers to its base, by whatever way it was made.
        self._used.append((number, self._memory.base))

    def forget(self, numbers: Sequence[int]) -> None:
        """These are not used any more."""
        for number in numbers:
            self._known.pop(number, None)

    def arrays(self, said: Sequence[Form]) -> list[NDArray[Any]]:
        """Those that a message lists, in the room that was entered last."""
        memory = self._memory
        found, at = [], 0
        for dtype, shape, size in (_form(dtype, shape) for dtype, shape in said):
            found.append(memory[at : at + size].view(dtype).reshape(shape))
            at += _room(size)
        return found

    def let_go(self) -> list[int]:
        """Which of the rooms that were entered since the last call are still read, counted in their order."""
        kept = []
        self._memory = _NOTHING
        for order, (number, holder) in enumerate(self._used):
            if sys.getrefcount(holder) > _OWN_REFERENCES:
                kept.append(order)
                self._known.pop(number, None)  # it lives as long as it is read
        self._used.clear()
        return kept


def _form(dtype: str, shape: Sequence[int]) -> tuple[np.dtype[Any], tuple[int, ...], int]:
    """Type, shape and bytes of an array. Raises `Garbled`."""
    try:
        known, lengths = np.dtype(str(dtype)), tuple(int(length) for length in shape)
    except (TypeError, ValueError) as error:
        raise Garbled("an array has no type or no shape") from error
    if known.kind not in _NUMBERS or min(lengths, default=0) < 0 or len(lengths) > _MOST_AXES:
        raise Garbled(f"an array of {known} {list(lengths)} is none of numbers")
    return known, lengths, math.prod(lengths) * known.itemsize


def _room(size: int) -> int:
    """Bytes that an array takes in a file: the next one begins aligned."""
    return -(-size // _ALIGNED) * _ALIGNED


def _copied(file: int, at: int, size: int) -> NDArray[np.uint8]:
    data = np.empty(size, np.uint8)
    done = 0
    while done < size:
        count = os.preadv(file, [data[done:]], at + done)  # type: ignore[list-item]  # it is a buffer
        if not count:
            raise Garbled("an array is longer than its file")
        done += count
    return data
