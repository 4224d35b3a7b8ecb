"""FFmpeg on strangers' recordings, in a child: answers the calls of `requests.decoders`."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edged.children.inside import Handle, Parent
from edged.children.wire import Message, Tree
from edged.media.sound import SoundLimits, open_sound

AT_A_TIME = 16
"""Pieces that are decoded a call: 8 s of sound, 512 kB."""


class Decoder:
    """One recording after another."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._pieces: Iterator[NDArray[np.float32]] = iter(())

    def answer(self, call: Message) -> Message:
        """One call: `open` a file, `more` of it, or `close` it."""
        match call.tree["verb"]:
            case "open":
                return self._opened(call)
            case "more":
                pieces = list(islice(self._pieces, AT_A_TIME))
                return Message({"ended": len(pieces) < AT_A_TIME}, pieces)
        self._open.close()
        return Message({})

    def _opened(self, call: Message) -> Message:
        assert call.file is not None  # noqa: S101 - so it was agreed
        self._open.close()
        with ExitStack() as opening:
            file = opening.enter_context(os.fdopen(call.file, "rb"))
            file.seek(0)
            limits = SoundLimits.model_validate(call.tree["limits"])
            sound = opening.enter_context(open_sound(file, limits, call.tree["play_duration_us"]))
            self._pieces = sound.pieces
            self._open = opening.pop_all()
        return Message({"seconds": sound.seconds})


def open_decoder(parent: Parent, given: Mapping[str, Any]) -> tuple[Tree, Handle]:
    """What decodes."""
    return {}, Decoder().answer
