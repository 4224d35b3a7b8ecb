"""What a child asks while its instance works: pixels of a frame, the slot, and whether it shall go on."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from edged.children.values import Unfit, unpacked
from edged.children.wire import Message
from edged.contracts.errors import ChildDied
from edged.contracts.items import Frame, PixelFormat
from edged.contracts.model import Run
from edged.contracts.slot import Priority, Slot


class Questions:
    """The answers to what a child asks within one call; closed, it takes back what the child held."""

    def __init__(
        self,
        frames: Sequence[Frame],
        run: Run | None,
        slot_for: Callable[[str], Slot],
        observe: Callable[[float], None] | None,
    ) -> None:
        self._frames = frames
        self._run = run
        self._slot_for = slot_for
        self._observe = observe
        self._held = ExitStack()
        self._since: float | None = None

    def __enter__(self) -> "Questions":
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()  # a child that died gives nothing back

    def answer(self, said: Message) -> Message | None:
        """One question. Raises `ChildDied` for one that makes no sense."""
        known = {"check": self._check, "progress": self._progress, "slot": self._slot, "back": self._back}
        known["pixels"] = self._pixels
        if (what := known.get(str(said.tree.get("said")))) is None:
            raise ChildDied(f"nobody answers {str(said.tree.get('said'))[:80]!r}")
        try:
            return what(said.tree)
        except (Unfit, KeyError, TypeError, ValueError, IndexError) as error:
            raise ChildDied(f"a question cannot be understood: {error}") from error

    def _check(self, said: Mapping[str, Any]) -> Message | None:
        if self._run is not None:
            self._run.check()
        return None

    def _progress(self, said: Mapping[str, Any]) -> Message | None:
        if self._run is not None:
            self._run.progress(min(1.0, max(0.0, float(said["done"]))))
        return None

    def _slot(self, said: Mapping[str, Any]) -> Message | None:
        self._back(said)
        self._held.enter_context(self._slot_for(str(said["device"])).hold(Priority(said["priority"])))
        self._since = time.perf_counter()
        return None

    def _back(self, said: Mapping[str, Any]) -> Message | None:
        self._held.close()
        if self._since is not None and self._observe is not None:
            self._observe(time.perf_counter() - self._since)
        self._since = None
        return None

    def _pixels(self, said: Mapping[str, Any]) -> Message | None:
        wanted = unpacked(said["form"], PixelFormat, ())
        return Message({}, [self._frames[said["number"]].pixels(wanted)])
