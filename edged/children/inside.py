"""The child's own end: it makes what it was started for, and answers one call after another.

Run as `python -m edged.children.inside DESCRIPTOR PARENT`. It is told by the first message what to make.
"""

import ctypes
import faulthandler
import importlib
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from edged.children.rooms import Tenure
from edged.children.wire import Channel, Gone, Message, Spent, Tree
from edged.contracts import errors
from edged.contracts.errors import ChildDied, EdgedError

Handle = Callable[[Message], Message]
"""Answers a call. Its arrays are read only, and may be kept."""
Maker = Callable[["Parent", Mapping[str, Any]], tuple[Tree, Handle]]
"""What a child is started with: its parent and what was given to it; returns what it tells of itself, and
what answers the calls."""

_DEATH = 1  # PR_SET_PDEATHSIG
_FIRST_TO_GO = "500"


class Parent:
    """Who started this process, as those see it who work here. Safe from several threads."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._lock = threading.RLock()
        self._in_call = True  # what it makes at first is a call, too

    def ask(self, question: str, **said: Any) -> Message:
        """Its answer. Raises what it raises of edged's errors."""
        with self._lock:
            self.tell(question, wants_answer=True, **said)
            answer = self._channel.receive(_never)
        if (failed := answer.tree.get("failed")) is not None:
            raise error_of(failed)
        return answer

    def tell(self, what: str, **said: Any) -> None:
        """Something that wants no answer."""
        with self._lock:
            if not self._in_call:
                raise RuntimeError("nothing is to be told between two calls")
            self._channel.send(Message({"said": what, **said}), _never)

    def next(self) -> Message:
        """The next call. Raises `Gone`."""
        message = self._channel.receive(_never)
        with self._lock:
            self._in_call = True
        return message

    def answer(self, message: Message) -> None:
        """The end of a call. Whatever is in its arrays has been written when the files are let go."""
        with self._lock:
            self._in_call = False
            self._channel.lender.settle()
            self._channel.send(message, _never)

    def let_go(self) -> list[int]:
        """The numbers of the files of this call that are still read."""
        reader = self._channel.reader
        return reader.let_go() if isinstance(reader, Tenure) else []


def failure(error: Exception) -> dict[str, str]:
    """An error as a message holds it."""
    known = isinstance(error, EdgedError) and getattr(errors, type(error).__name__, None) is type(error)
    name = type(error).__name__
    return {"type": name, "text": str(error)} if known else {"type": "", "text": f"{name}: {error}"}


def error_of(failed: Any) -> EdgedError:
    """The error that a message holds: one of edged's by its name, or `ChildDied` for any other."""
    name, text = (
        (str(failed.get(key, "")) for key in ("type", "text")) if isinstance(failed, dict) else ("", "")
    )
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, EdgedError):
        return kind(text)
    return ChildDied(text)


def _never() -> None:
    """The parent ends this process when it does not want to wait any longer."""


def main(descriptor: int, parent_id: int) -> None:
    """Until the parent has no more calls, or is gone."""
    _die_with(parent_id)
    faulthandler.enable()
    channel = Channel(socket.socket(fileno=descriptor), trusts=True)
    parent = Parent(channel)
    with suppress(Gone):
        told = channel.receive(_never).tree
        if (most := told["address_bytes"]) is not None:
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
        if (handle := _made(parent, told["target"], told["given"])) is not None:
            while True:
                parent.answer(_answered(handle, parent))


def _made(parent: Parent, target: str, given: Mapping[str, Any]) -> Handle | None:
    """What shall answer; none when it cannot be made, which the parent is told."""
    module, _, name = target.partition(":")
    try:
        make: Maker = getattr(importlib.import_module(module), name)
        report, handle = make(parent, given)
    except Exception as error:  # noqa: BLE001 - whatever it was started for
        parent.answer(Message({"failed": failure(error)}))
        return None
    parent.answer(Message({"done": report, "kept": []}))
    return handle


def _answered(handle: Handle, parent: Parent) -> Message:
    """The answer to the next call. What was read in place is let go of, where nobody holds it any more."""
    try:
        answer = handle(parent.next())
        # Copied, for they may be views of what the call brought.
        arrays = [array.copy() if not array.flags.owndata else array for array in answer.arrays]
        said = Message({"done": answer.tree}, arrays)
        del answer
    except Gone:
        raise
    except Spent as spent:
        said = Message({"failed": failure(spent.error), "spent": True})
    except Exception as error:  # noqa: BLE001 - the boundary "one call of a child"
        said = Message({"failed": failure(error)})
    return Message({**said.tree, "kept": parent.let_go()}, said.arrays)


def _die_with(parent_id: int) -> None:
    """End when the parent does, and be the first to go when memory is short."""
    ctypes.CDLL(None, use_errno=True).prctl(_DEATH, signal.SIGKILL)
    if os.getppid() != parent_id:
        os._exit(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
    os._exit(0)
