"""What a stream looks like now: its newest frame with the answers drawn on it, only when somebody asks."""

import itertools
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2

from edged.contracts.items import Frame, PixelFormat, Pixels
from edged.media.picture import encode_jpeg
from edged.ops.draw import annotate

LONGEST_SIDE = 1280
"""Pixels; a larger picture is made smaller before it is encoded."""
FRESH_S = 2.0
"""An answer is drawn on later frames for so many seconds; a service that infers seldom must not flicker."""
BARE_S = 1.0
"""A frame that nothing infers is shown when the newest one is older by so many seconds."""

_versions = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Shot:
    """A view at one moment."""

    version: int
    """Of the view; no two shots of this process that differ have the same, whichever stream they show."""
    captured_at: float
    """Seconds since the epoch."""
    jpeg: bytes
    """Annotated; its longer side has at most `LONGEST_SIDE` pixels."""


def drawn(frame: Frame, answers: Mapping[str, Mapping[str, Any]]) -> bytes:
    """JPEG of a frame with the answers of some services, given by the service's name, drawn on it."""
    bgr = frame.pixels(PixelFormat())
    for service, answer in answers.items():
        if bgr.shape[:2] != (frame.height, frame.width):  # a small picture comes back enlarged
            bgr = cv2.resize(bgr, (frame.width, frame.height))
        bgr = annotate(service, [bgr], answer)
    return encode_jpeg(_limited(bgr))


def _limited(bgr: Pixels) -> Pixels:
    height, width = bgr.shape[:2]
    scale = LONGEST_SIDE / max(height, width)
    if scale >= 1:
        return bgr
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(bgr, size, interpolation=cv2.INTER_AREA)  # type: ignore[no-any-return]


class LiveView:
    """Of one stream: its last inferred frame with the newest answer of each service on it.

    Keeps one frame, converted and encoded only when somebody looks, once however many do. Safe from all
    threads.
    """

    def __init__(self) -> None:
        self.version = 0
        """Grows with every `put`; 0: nothing to show yet."""
        self._frame: Frame | None = None
        self._answers: dict[str, tuple[float, Mapping[str, Any]]] = {}
        self._shot: Shot | None = None
        self._changed = threading.Condition()
        self._encoding = threading.Lock()

    def put(self, frame: Frame, service: str, answer: Mapping[str, Any] | None) -> None:
        """A service's answer to a frame; none: it has none. Keeps references, never waits for an encoder."""
        with self._changed:
            if answer is None:
                self._answers.pop(service, None)
            else:
                self._answers[service] = frame.captured_at, answer
            self._show(frame)

    def put_bare(self, frame: Frame) -> None:
        """A frame that came in; it is shown when nothing has inferred a frame for `BARE_S`."""
        if self._frame is None or abs(frame.captured_at - self._frame.captured_at) >= BARE_S:
            with self._changed:
                self._show(frame)

    def jpeg(self, after: int = -1, wait_s: float = 0.0) -> tuple[int, bytes] | None:
        """Version and JPEG, once the version is above `after`; none: nothing new came within `wait_s`."""
        shot = self.shot(after, wait_s)
        return (shot.version, shot.jpeg) if shot is not None else None

    def shot(self, after: int = -1, wait_s: float = 0.0) -> Shot | None:
        """As `jpeg`, with the time at which the frame was taken."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.version > max(after, 0), wait_s):
                return None
        with self._encoding:
            with self._changed:
                version, frame, answers = self.version, self._frame, self._fresh()
            if frame is not None and (self._shot is None or self._shot.version != version):
                self._shot = Shot(version, frame.captured_at, drawn(frame, answers))
            return self._shot

    def _show(self, frame: Frame) -> None:
        """The newer frame stays; but one that is much older is of a clock that was set."""
        if self._frame is None or not 0 < self._frame.captured_at - frame.captured_at < FRESH_S:
            self._frame = frame
        self.version = next(_versions)
        self._changed.notify_all()

    def _fresh(self) -> dict[str, Mapping[str, Any]]:
        """The answers that are young enough for the frame."""
        now = self._frame.captured_at if self._frame is not None else 0.0
        return {service: answer for service, (at, answer) in self._answers.items() if abs(now - at) < FRESH_S}


class LiveViews:
    """The views of all streams that run."""

    def __init__(self) -> None:
        self._views: dict[str, LiveView] = {}

    def get(self, stream: str) -> LiveView | None:
        """The view of a stream; none: it does not run."""
        return self._views.get(stream)

    def names(self) -> list[str]:
        """Streams that have a view, by name."""
        return sorted(self._views.copy())

    def add(self, stream: str) -> LiveView:
        """A view for a stream that begins."""
        view = self._views[stream] = LiveView()
        return view

    def remove(self, stream: str) -> None:
        """Forget the view, and the frame that it holds."""
        self._views.pop(stream, None)
