"""How a parent and its child talk: JSON over a socket, arrays in memory files that go with it.

Each side believes the other as little as it can: the parent copies what it is sent out of the file (a file
that somebody else may shorten must not be mapped), and nothing is ever unpickled.
"""

import json
import math
import mmap
import os
import socket
import struct
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Tree = Mapping[str, Any]
"""What JSON can say."""
Tick = Callable[[], None]
"""Called now and then while a side waits; what it raises ends the waiting."""

TICK_S = 0.05
MOST_JSON = 8_000_000
"""Bytes of JSON in one message."""
MOST_ARRAYS = 256_000_000
"""Bytes of arrays in one message from a child: a picture of 8000 x 8000 with some room."""
_MOST_FILES = 2
_PREFIX = struct.Struct("<I")
_ALIGNED = 64
_NUMBERS = "biuf"
_FREE_FILES, _FREE_BYTES = 2, 64_000_000
_NOTHING = np.empty(0, np.uint8)


class Gone(Exception):
    """The other side has ended."""


class Garbled(Exception):
    """The other side said something that is no message."""


class Message(NamedTuple):
    """What is said at a time."""

    tree: Tree
    arrays: Sequence[NDArray[Any]] = ()
    file: int | None = None
    """A descriptor that goes with it. Who receives it closes it."""


class Lender:
    """Memory files to send arrays in; one is used again when its reader has let go of it.

    *Measured*: a 720p picture is written in .2 ms to a file that has its pages, in .9 ms to a new one.
    """

    def __init__(self) -> None:
        self._free: list[int] = []
        self._lent: list[int] = []

    def filled(self, arrays: Sequence[NDArray[Any]]) -> int:
        """A file with the arrays in it, lent until `settle`."""
        file = self._free.pop() if self._free else os.memfd_create("edged", os.MFD_CLOEXEC)
        self._lent.append(file)
        at = 0
        for array in arrays:
            data = memoryview(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
            done = 0
            while done < len(data):
                done += os.pwrite(file, data[done:], at + done)
            at += _room(array.nbytes)
        if os.fstat(file).st_size < at:  # who maps it maps whole rooms
            os.ftruncate(file, at)
        return file

    def settle(self, kept: Collection[int] = ()) -> None:
        """The reader has let go of all but those with these numbers, counted from the last `settle`."""
        for number, file in enumerate(self._lent):
            small = os.fstat(file).st_size <= _FREE_BYTES
            if number in kept or not small or len(self._free) >= _FREE_FILES:
                os.close(file)
            else:
                self._free.append(file)
        self._lent.clear()

    def close(self) -> None:
        """Give all of them back."""
        self.settle()
        for file in self._free:
            os.close(file)
        self._free.clear()


class Reader:
    """Reads arrays out of memory files: copied, or in place where the writer is trusted."""

    def __init__(self, in_place: bool) -> None:
        self._in_place = in_place
        self._maps: list[mmap.mmap | None] = []

    def arrays(self, file: int, said: Sequence[tuple[str, Sequence[int]]]) -> list[NDArray[Any]]:
        """Those that a message lists by type and shape. Raises `Garbled`."""
        forms = [_form(dtype, shape) for dtype, shape in said]
        total = sum(_room(size) for _, _, size in forms)
        if total > MOST_ARRAYS and not self._in_place:
            raise Garbled(f"arrays of {total} bytes are more than {MOST_ARRAYS}")
        whole = self._mapped(file, total) if self._in_place else _NOTHING
        found, at = [], 0
        for dtype, shape, size in forms:
            data = whole[at : at + size] if self._in_place else _copied(file, at, size)
            found.append(data.view(dtype).reshape(shape))
            at += _room(size)
        return found

    def let_go(self) -> list[int]:
        """Numbers of the files in which something is still read, counted from the last call."""
        kept = []
        for number, mapped in enumerate(self._maps):
            try:
                if mapped is not None:
                    mapped.close()
            except BufferError:
                kept.append(number)
        self._maps.clear()
        return kept

    def _mapped(self, file: int, total: int) -> NDArray[np.uint8]:
        if not total:  # no file can be mapped of which there is nothing
            self._maps.append(None)
            return _NOTHING
        flags = mmap.MAP_SHARED | mmap.MAP_POPULATE
        mapped = mmap.mmap(file, total, flags, mmap.PROT_READ)
        self._maps.append(mapped)
        return np.frombuffer(mapped, np.uint8)


def _form(dtype: str, shape: Sequence[int]) -> tuple[np.dtype[Any], tuple[int, ...], int]:
    """Type, shape and bytes of an array. Raises `Garbled`."""
    try:
        known, lengths = np.dtype(str(dtype)), tuple(int(length) for length in shape)
    except (TypeError, ValueError) as error:
        raise Garbled("an array has no type or no shape") from error
    if known.kind not in _NUMBERS or min(lengths, default=0) < 0 or len(lengths) > 8:
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


class Channel:
    """One end of the socket. Used by one thread at a time."""

    def __init__(self, end: socket.socket, trusts: bool) -> None:
        """`trusts`: whether arrays of the other side may be read in place, and waiting has no end."""
        end.settimeout(None if trusts else TICK_S)
        self.lender = Lender()
        self.reader = Reader(trusts)
        self._end = end

    def send(self, message: Message, tick: Tick) -> None:
        """Say it. Raises `Gone`, and what `tick` raises; then nothing more can be said."""
        arrays = message.arrays
        said = [(array.dtype.str, array.shape) for array in arrays]
        body = json.dumps({"tree": message.tree, "arrays": said}, separators=(",", ":")).encode()
        files = [self.lender.filled(arrays)] if arrays else []
        files += [message.file] if message.file is not None else []
        data = memoryview(_PREFIX.pack(len(body)) + body)
        try:
            data = data[socket.send_fds(self._end, [data], files) :] if files else data
            while data:
                try:
                    data = data[self._end.send(data) :]
                except TimeoutError:
                    tick()
        except (ConnectionError, BrokenPipeError) as error:
            raise Gone from error

    def receive(self, tick: Tick) -> Message:
        """The next one. Raises `Gone`, `Garbled`, and what `tick` raises."""
        head, files = self._head(tick)
        try:
            (length,) = _PREFIX.unpack(head + self._exactly(_PREFIX.size - len(head), tick))
            if length > MOST_JSON:
                raise Garbled(f"a message of {length} bytes is longer than {MOST_JSON}")
            tree, said = _parsed(self._exactly(length, tick))
            if said and not files:
                raise Garbled("arrays without a file")
            arrays = self.reader.arrays(files[0], said) if said else []
        except BaseException:
            _close(files)
            raise
        own = files[1:] if said else files
        _close(files[:1] if said else [])
        _close(own[1:])
        return Message(tree, arrays, own[0] if own else None)

    def close(self) -> None:
        """Say and hear no more."""
        self._end.close()
        self.lender.close()

    def _head(self, tick: Tick) -> tuple[bytes, list[int]]:
        while True:
            try:
                data, files, _, _ = socket.recv_fds(self._end, _PREFIX.size, _MOST_FILES)
            except TimeoutError:
                tick()
                continue
            except ConnectionError as error:
                raise Gone from error
            if not data:
                _close(files)
                raise Gone
            return data, list(files)

    def _exactly(self, length: int, tick: Tick) -> bytes:
        data = bytearray()
        while len(data) < length:
            try:
                part = self._end.recv(min(length - len(data), 1 << 20))
            except TimeoutError:
                tick()
                continue
            except ConnectionError as error:
                raise Gone from error
            if not part:
                raise Gone
            data += part
        return bytes(data)


def _parsed(body: bytes) -> tuple[Tree, Sequence[tuple[str, Sequence[int]]]]:
    try:
        said = json.loads(body)
        tree, arrays = said["tree"], [(dtype, list(shape)) for dtype, shape in said["arrays"]]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Garbled("a message is no JSON of the form that is agreed") from error
    if not isinstance(tree, dict):
        raise Garbled("a message holds no object")
    return tree, arrays


def _close(files: Sequence[int]) -> None:
    for file in files:
        os.close(file)
