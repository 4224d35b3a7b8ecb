"""A picture of a stream for an event: its address at once, the file soon, by a thread of its own."""

import logging
import threading
from collections import deque
from collections.abc import Callable

from edged.artefacts.store import ArtefactStore, Reservation
from edged.contracts.errors import EdgedError
from edged.flow.counters import Counters
from edged.streams.live import LiveView, LiveViews

log = logging.getLogger(__name__)

MOST_WAITING = 8
"""Pictures; an event that comes while so many wait has none."""


class EventPictures:
    """Safe from all threads; `take` never waits."""

    def __init__(self, views: LiveViews, store: Callable[[], ArtefactStore], counters: Counters) -> None:
        self._views = views
        self._store = store
        self._counters = counters
        self._waiting: deque[tuple[LiveView, Reservation]] = deque()
        self._writing = False
        self._lock = threading.Lock()

    def take(self, stream: str) -> str | None:
        """The address of a picture of what a stream shows now; none: it shows nothing, or too many wait."""
        if (view := self._views.get(stream)) is None or view.version == 0:
            return None
        with self._lock:
            if len(self._waiting) >= MOST_WAITING:
                self._counters.count("event_pictures", "none: too many wait")
                return None
            reserved = self._store().reserve(".jpg")
            self._waiting.append((view, reserved))
            if not self._writing:
                self._writing = True
                threading.Thread(target=self._write_all, name="event-pictures", daemon=True).start()
        return reserved.artefact.address or reserved.artefact.uri

    def _write_all(self) -> None:
        try:
            while (one := self._next()) is not None:
                self._write(*one)
        except BaseException:  # a defect: the next picture gets another thread
            with self._lock:
                self._writing = False
            raise

    def _next(self) -> tuple[LiveView, Reservation] | None:
        with self._lock:
            self._writing = bool(self._waiting)
            return self._waiting.popleft() if self._waiting else None

    def _write(self, view: LiveView, reserved: Reservation) -> None:
        try:
            with reserved.draft() as draft:
                if (shot := view.shot()) is not None:
                    draft.file.write(shot.jpeg)
                    draft.keep()
                    self._counters.count("event_pictures", "kept")
        except (EdgedError, OSError) as error:
            self._counters.count("event_pictures", "failed")
            log.error("the picture of an event is not kept: %s", error)
