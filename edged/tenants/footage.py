"""FFmpeg on strangers' video, in a child: answers the calls of `requests.far_video`."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edged.children.inside import Handle, Parent
from edged.children.values import packed
from edged.children.wire import Message, Tree
from edged.contracts.items import Frame
from edged.media.footage import Footage, VideoLimits
from edged.media.frame import PlanarFrame

PICTURES, PICTURE_BYTES = 8, 16_000_000
"""That are decoded a call at the most, but one at least."""
SHOWN = 256
"""How often pictures are shown in a call at the most."""
PIECES = 16
"""Pieces of sound a call: 8 s, 512 kB."""
_LIFE_S = 1.0


class Life:
    """Tells the parent now and then that there is some: a long way to a place takes a while."""

    def __init__(self, parent: Parent) -> None:
        self._parent = parent
        self._told = time.monotonic()

    def tell(self) -> None:
        """Called all the while."""
        if time.monotonic() - self._told > _LIFE_S:
            self._told = time.monotonic()
            self._parent.tell("working")


class Projector:
    """One video after another."""

    def __init__(self, parent: Parent) -> None:
        self._life = Life(parent)
        self._open = ExitStack()
        self._video: Footage | None = None
        self._frames: Iterator[Frame] = iter(())
        self._pieces: Iterator[NDArray[np.float32]] = iter(())
        self._last: Frame | None = None

    def answer(self, call: Message) -> Message:
        """One call: `open` a file; `frames` or `more` of them; `sound` or `more_sound`; `close` it."""
        said = call.tree
        match said["verb"]:
            case "open":
                return self._opened(call)
            case "close":
                self._close()
                return Message({})
        video = self._video
        assert video is not None  # noqa: S101 - so it was agreed
        match said["verb"]:
            case "frames":
                self._last = None
                self._frames = video.frames(said["start_us"], said["end_us"], said["step_us"], said["rate"])
            case "sound":
                self._pieces = video.sound_pieces(said["start_us"], said["end_us"])
        if said["verb"] in ("sound", "more_sound"):
            pieces = list(islice(self._pieces, PIECES))
            return Message({"ended": len(pieces) < PIECES}, pieces)
        return self._more(video)

    def _opened(self, call: Message) -> Message:
        assert call.file is not None  # noqa: S101 - so it was agreed
        self._close()
        with ExitStack() as opening:
            file = opening.enter_context(os.fdopen(call.file, "rb"))
            limits = VideoLimits.model_validate(call.tree["limits"])
            video = Footage(file, limits, call.tree["play_duration_us"], self._life.tell)
            opening.callback(video.close)
            self._open = opening.pop_all()
        self._video = video
        return Message({"facts": packed(video.facts, []), "damaged": video.damaged})

    def _close(self) -> None:
        """Nothing of the last video keeps its memory."""
        self._frames, self._pieces, self._last, self._video = iter(()), iter(()), None, None
        self._open.close()

    def _more(self, video: Footage) -> Message:
        """The next pictures, each once, and how they follow each other: -1 is the last one of before."""
        pictures: list[PlanarFrame] = []
        shown: list[int] = []
        for frame in self._frames:
            assert isinstance(frame, PlanarFrame)  # noqa: S101 - as `Footage` makes them
            if frame is not self._last:
                pictures.append(frame)
                self._last = frame
            shown.append(len(pictures) - 1)
            size = 3 * frame.width * frame.height // 2
            if len(shown) >= SHOWN or len(pictures) >= min(PICTURES, PICTURE_BYTES // size):
                return self._said(video, pictures, shown, ended=False)
        return self._said(video, pictures, shown, ended=True)

    def _said(self, video: Footage, pictures: list[PlanarFrame], shown: list[int], *, ended: bool) -> Message:
        told = [
            {
                "at": frame.captured_at,
                "number": frame.seq,
                "turns": frame.turns,
                "matrix": frame.stored.matrix,
                "full_range": frame.stored.full_range,
            }
            for frame in pictures
        ]
        arrays = [plane for frame in pictures for plane in frame.stored.planes]
        said = {"pictures": told, "shown": shown, "ended": ended, "damaged": video.damaged}
        return Message(said, arrays)


def open_projector(parent: Parent, given: Mapping[str, Any]) -> tuple[Tree, Handle]:
    """What shows."""
    return {}, Projector(parent).answer
