"""How a parent and its child talk: JSON over a socket, arrays in memory files that go with it.

The child reads in place what its parent sends; the parent copies what a child sends, and believes nothing of
it. Nothing is ever unpickled.
"""

import json
import os
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from numpy.typing import NDArray

from edged.children.rooms import Copier, Form, Garbled, Lender, Tenure
from edged.contracts.errors import EdgedError

Tree = Mapping[str, Any]
"""What JSON can say."""
Tick = Callable[[], None]
"""Called now and then while a side waits; what it raises ends the waiting."""

TICK_S = 0.05
MOST_JSON = 8_000_000
"""Bytes of JSON in one message."""
_MOST_FILES = 2
_PREFIX = struct.Struct("<I")


class Spent(Exception):
    """Raised by who answers a call: with this error, and the process is of no use any more."""

    def __init__(self, error: EdgedError) -> None:
        super().__init__(str(error))
        self.error = error


class Gone(Exception):
    """The other side has ended."""


class Message(NamedTuple):
    """What is said at a time."""

    tree: Tree
    arrays: Sequence[NDArray[Any]] = ()
    file: int | None = None
    """A descriptor that goes with it, to a child; who receives it closes it."""


class Channel:
    """One end of the socket. Used by one thread at a time."""

    def __init__(self, end: socket.socket, trusts: bool) -> None:
        """`trusts`: whether arrays of the other side may be read in place, and waiting has no end."""
        end.settimeout(None if trusts else TICK_S)
        self.lender = Lender()
        self.reader = Tenure() if trusts else Copier()
        self._end = end
        self._trusts = trusts
        self._sent: set[int] = set()

    def send(self, message: Message, tick: Tick) -> None:
        """Say it. Raises `Gone`, and what `tick` raises; then nothing more can be said."""
        body, files = self._packed(message)
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

    def _packed(self, message: Message) -> tuple[bytes, list[int]]:
        """As JSON, and the descriptors that go with it; arrays are copied to where the other side reads."""
        arrays, files = message.arrays, []
        said: dict[str, Any] = {"tree": message.tree, "arrays": [(a.dtype.str, a.shape) for a in arrays]}
        if arrays:
            room = self.lender.filled(arrays)
            said["room"] = room.number
            if self._trusts or room.number not in self._sent:  # a parent keeps nothing of its child's
                files.append(room.file)
                self._sent.add(room.number)
        if self.lender.gone:
            said["gone"], self.lender.gone = self.lender.gone, []
            self._sent.difference_update(said["gone"])
        if message.file is not None:
            files.append(message.file)
        return json.dumps(said, separators=(",", ":")).encode(), files

    def receive(self, tick: Tick) -> Message:
        """The next one. Raises `Gone`, `Garbled`, and what `tick` raises."""
        head, files = self._head(tick)
        try:
            (length,) = _PREFIX.unpack(head + self._exactly(_PREFIX.size - len(head), tick))
            if length > MOST_JSON:
                raise Garbled(f"a message of {length} bytes is longer than {MOST_JSON}")
            said = _parsed(self._exactly(length, tick))
            arrays, used = self._arrays(said, files)
        except BaseException:
            _close(files)
            raise
        own = files[used:][:1] if self._trusts else []  # what a child sends beside its arrays is not wanted
        _close([file for file in files if file not in own])
        return Message(said["tree"], arrays, own[0] if own else None)

    def close(self) -> None:
        """Say and hear no more."""
        self._end.close()
        self.lender.close()

    def _arrays(self, said: Tree, files: Sequence[int]) -> tuple[list[NDArray[Any]], int]:
        """What a message lists, and how many of its files that took. Raises `Garbled`."""
        forms: Sequence[Form] = said["arrays"]
        if isinstance(self.reader, Copier):
            if forms and not files:
                raise Garbled("arrays without a file")
            return (self.reader.arrays(files[0], forms), 1) if forms else ([], 0)
        self.reader.forget(said.get("gone", []))
        if not forms:
            return [], 0
        is_new = not self.reader.knows(said["room"])
        self.reader.enter(said["room"], files[0] if is_new else None)
        return self.reader.arrays(forms), int(is_new)

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


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
        said["arrays"] = [(dtype, list(shape)) for dtype, shape in said["arrays"]]
        tree = said["tree"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Garbled("a message is no JSON of the form that is agreed") from error
    if not isinstance(tree, dict):
        raise Garbled("a message holds no object")
    return dict(said)


def _close(files: Sequence[int]) -> None:
    for file in files:
        os.close(file)
