"""FFmpeg writing videos out of strangers' ones, in a child: answers the calls of `requests.films`."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from edged.children.inside import Handle, Parent
from edged.children.wire import Message, Tree
from edged.contracts.errors import NotUsable
from edged.media.colour import Planes
from edged.media.film import ANY_SIZE, Film, aspect_of, look_of, planes_of, upright
from edged.media.film_sound import FilmSound
from edged.media.reel import Reel, ReelPicture

AT_A_TIME_S = 1.0
"""So long is cut a call."""
MICROSECONDS = 1_000_000


class FilmMaker:
    """One film after another."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._film: Film | None = None
        self._cutting: Iterator[ReelPicture] | None = None

    def answer(self, call: Message) -> Message:
        """One call: a film's `source`, its `target`, any number of `pictures` or `cut`, and its `end`."""
        match call.tree["verb"]:
            case "source":
                self._open.close()
                self._source = self._path_of(call)
                file = self._open.enter_context(self._source.open("rb"))
                self._reel = Reel(file, ANY_SIZE, lambda: None)
                self._open.callback(self._reel.close)
                self._look = look_of(self._reel.first, self._reel.rate, aspect_of(self._source))
            case "target":
                self._target = self._path_of(call)
                self._crf: int = call.tree["crf"]
                self._start_us: int = call.tree["start_us"]
                self._end_us: int | None = call.tree["end_us"]
                self._film = self._cutting = None
            case "pictures":
                for bgr, at_us in zip(call.arrays, call.tree["at_us"], strict=True):
                    self._add(planes_of(bgr, self._look), at_us / MICROSECONDS)
            case "cut":
                return Message({"ended": self._cut()})
            case "end":
                self._end()
        return Message({})

    def _path_of(self, call: Message) -> Path:
        """Of a file that was handed over. Whoever opens it has an offset of his own."""
        assert call.file is not None  # noqa: S101 - so it was agreed
        self._open.callback(os.close, call.file)
        return Path(f"/proc/self/fd/{call.file}")

    def _cut(self) -> bool:
        """Take over pictures of the span for a while; whether these were the last."""
        until = time.monotonic() + AT_A_TIME_S
        if self._cutting is None:
            self._cutting = self._reel.shown_from(self._start_us / MICROSECONDS)
        for at, _, picture in self._cutting:
            at_us = round(at * MICROSECONDS)
            if self._end_us is not None and at_us >= self._end_us:
                return True
            if at_us >= self._start_us:
                self._add(upright(picture, self._look), at)
            if time.monotonic() > until:
                return False
        return True

    def _add(self, planes: Planes, at: float) -> None:
        """One picture, so many seconds after the first one of its source."""
        if self._film is None:
            begun = self._reel.origin
            end = None if self._end_us is None else begun + self._end_us / MICROSECONDS
            sound = FilmSound(self._source, begun + at, end)
            self._open.callback(sound.close)
            size = planes[0].shape[0], planes[0].shape[1]
            self._film = Film(self._target, size, self._crf, self._look, sound)
        self._film.add(planes, at)

    def _end(self) -> None:
        if self._film is None:
            raise NotUsable("has no picture in the span of which a film is made")
        self._film.close()
        self._film = None
        self._open.close()


def open_film_maker(parent: Parent, given: Mapping[str, Any]) -> tuple[Tree, Handle]:
    """What writes films."""
    return {}, FilmMaker().answer
