"""What a stream looks like now: its newest frame with what was found drawn on it, only when somebody asks."""

import itertools
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from edged.answers.drawing import drawing_of, encoded
from edged.answers.finding import Finding
from edged.contracts.items import Frame
from edged.streams.overlay import with_ids, with_places
from edged.streams.places import PlacesSettings

Ids = Sequence[int | None]
"""Of each object of a finding the id of its track."""
NO_PLACES = PlacesSettings()
FRESH_S = 2.0
"""A finding is drawn on later frames for so many seconds; a service that infers seldom must not flicker."""
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
    """Annotated; its longer side is bounded."""


class LiveView:
    """Of one stream: its last inferred frame with the newest finding of each service on it.

    Keeps one frame, converted and encoded only when somebody looks, once however many do. Safe from all
    threads.
    """

    def __init__(self, places: PlacesSettings = NO_PLACES) -> None:
        """`places`: lines and zones that are drawn, too."""
        self.version = 0
        """Grows with every `put`; 0: nothing to show yet."""
        self._frame: Frame | None = None
        self._findings: dict[str, tuple[float, Finding, Ids]] = {}
        self._places = places
        self._shot: Shot | None = None
        self._changed = threading.Condition()
        self._encoding = threading.Lock()

    def put(self, frame: Frame, service: str, finding: Finding | None, ids: Ids = ()) -> None:
        """What a service found in a frame; none: it failed. Keeps references, never waits for an encoder."""
        with self._changed:
            if finding is None:
                self._findings.pop(service, None)
            else:
                self._findings[service] = frame.captured_at, finding, ids
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
                version, frame, findings = self.version, self._frame, self._fresh()
            if frame is not None and (self._shot is None or self._shot.version != version):
                self._shot = Shot(version, frame.captured_at, self._jpeg(frame, findings))
            return self._shot

    def _jpeg(self, frame: Frame, findings: Sequence[tuple[Finding, Ids]]) -> bytes:
        drawing = drawing_of([frame], [finding for finding, _ in findings])
        for finding, ids in findings:
            if ids:
                drawing = with_ids(drawing, frame.width, finding.result.boxes, ids)
        return encoded(with_places(drawing, self._places))

    def _show(self, frame: Frame) -> None:
        """The newer frame stays; but one that is much older is of a clock that was set."""
        if self._frame is None or not 0 < self._frame.captured_at - frame.captured_at < FRESH_S:
            self._frame = frame
        self.version = next(_versions)
        self._changed.notify_all()

    def _fresh(self) -> list[tuple[Finding, Ids]]:
        """What is young enough for the frame."""
        now = self._frame.captured_at if self._frame is not None else 0.0
        return [(finding, ids) for at, finding, ids in self._findings.values() if abs(now - at) < FRESH_S]


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

    def add(self, stream: str, places: PlacesSettings = NO_PLACES) -> LiveView:
        """A view for a stream that begins."""
        view = self._views[stream] = LiveView(places)
        return view

    def remove(self, stream: str) -> None:
        """Forget the view, and the frame that it holds."""
        self._views.pop(stream, None)
