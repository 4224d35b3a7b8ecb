"""What the tests start in children."""

import ctypes
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edged.children.inside import Handle, Parent
from edged.children.wire import Message, Tree
from edged.contracts.errors import NotUsable

KEPT = []


def servant(parent: Parent, given: Mapping[str, Any]) -> tuple[Tree, Handle]:
    """Does what a call's `do` says."""
    if (fatal := given.get("dies_at_start")) is not None:
        os._exit(fatal)
    if given.get("refuses"):
        raise NotUsable("it is Sunday")

    def handle(call: Message) -> Message:  # noqa: PLR0911, PLR0912 - a list of what may go wrong
        said = call.tree
        match said["do"]:
            case "clock":
                return Message({"at": time.perf_counter()})
            case "echo":
                return Message({"said": said.get("text")}, [array + 1 for array in call.arrays])
            case "back":
                return Message({}, call.arrays)
            case "keep":
                KEPT.extend(call.arrays)
                return Message({"sum": int(sum(int(array.sum()) for array in KEPT))})
            case "sum":
                return Message({"sum": int(sum(int(array.sum()) for array in KEPT))})
            case "segfault":
                ctypes.string_at(0)
            case "exit":
                os._exit(3)
            case "loop":
                while True:
                    pass
            case "sleep":
                time.sleep(said["seconds"])
            case "eat":
                hoard = []
                while True:
                    hoard.append(bytearray(os.urandom(1 << 20)) * 16)
            case "raise":
                raise NotUsable("it has no face")
            case "fail":
                raise ZeroDivisionError("by nought")
            case "ask":
                return Message({"heard": dict(parent.ask("time", zone="UTC").tree)})
            case "babble":
                while True:
                    parent.tell("something")
            case "noise":
                os.write(_socket_of(), b"\xff" * 4096)
                time.sleep(60)
            case "environment":
                return Message(
                    {"names": sorted(os.environ), "files": len(list(Path("/proc/self/fd").iterdir()))}
                )
            case "allocate":
                return Message({"bytes": len(np.ones(said["bytes"], np.uint8))})
            case "lie":
                return Message({"fits": True}, [np.zeros((2, 2), np.float32)])
        return Message({})

    return {"pid": os.getpid()}, handle


def _socket_of() -> int:
    return int(sys.argv[1])
