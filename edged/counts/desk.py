"""Counts of all cameras as one unit: puts them down, and tells them when they change and every 10 s."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from edged.contracts.happenings import LineCounts, ZoneCounts
from edged.counts.book import CountBook, Passage, PlaceKind
from edged.counts.calendar import Calendar
from edged.counts.chronicle import Chronicle, Entry
from edged.counts.history import Asked, History, history
from edged.counts.said import line_counts, trusted, zone_counts
from edged.counts.stream import Clerk, StreamCounts

T = TypeVar("T")

EVERY_S = 10.0
"""All is told so often, changed or not."""
TIDY_S = 3600.0
"""So often what is old is forgotten."""

Tell = Callable[[str, PlaceKind, str, LineCounts | ZoneCounts], None]
"""Called with stream, kind, name of the place, and what is to be told; must not block."""


class CountDesk:
    """A unit. After `start` nothing raises but `history`: what cannot be written waits for the disk."""

    def __init__(self, chronicle: Chronicle, calendar: Calendar, tell: Tell) -> None:
        self.calendar = calendar
        self._chronicle = chronicle
        self._tell = tell
        self._streams: dict[str, StreamCounts] = {}
        self._lock = chronicle.lock
        self._stopping = threading.Event()
        self._beat = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="counts", daemon=True)

    def start(self) -> None:
        """Begin to tell."""
        self._thread.start()

    def stop(self) -> None:
        """Tell nothing any more."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(EVERY_S)

    def state(self) -> str:
        """Whether something can be written says the chronicle."""
        return "running"

    def beat(self) -> float:
        """Of its thread."""
        return self._beat

    def open(self, stream: str, lines: Sequence[str], zones: Sequence[str]) -> StreamCounts:
        """A stream begins to count."""
        clerk = Clerk(self._do, self._tell_zones, self._closed, trusted)
        counts = StreamCounts(stream, lines, zones, clerk)
        with self._lock:
            self._streams[stream] = counts
        self._tell_all(stream)
        return counts

    def entry(self, stream: str, passages: Sequence[Passage]) -> Entry:
        """Somebody crossed lines of a stream: counted, and told once it is on disk."""

        def told() -> None:
            for line in dict.fromkeys(one.line for one in passages):
                self._tell_line(stream, line)

        return Entry(lambda db: CountBook(db).count(stream, passages), told)

    def zones(self, stream: str) -> dict[str, ZoneCounts]:
        """Who is in the zones of a stream now, by their names; none while it does not count."""
        if (counts := self._streams.get(stream)) is None:
            return {}
        inside = counts.inside()
        return {zone: zone_counts(inside, zone) for zone in counts.zones}

    def history(self, asked: Asked) -> History:
        """What was counted. Raises as `history.history`."""
        return history(self._chronicle.path, self.calendar, asked)

    def _closed(self, counts: StreamCounts) -> None:
        with self._lock:
            if self._streams.get(counts.stream) is counts:
                del self._streams[counts.stream]

    def _do(self, work: Callable[[CountBook], T]) -> T | None:
        return self._chronicle.do(lambda db: work(CountBook(db)))

    def _run(self) -> None:
        tidy_at = time.monotonic()
        while not self._stopping.is_set():
            now = time.time()
            if time.monotonic() >= tidy_at:
                tidy_at = time.monotonic() + TIDY_S
                self._do(lambda book: book.tidy(time.time() if trusted() else None))
            self._stopping.wait(min(EVERY_S, self._hour_ends(now) - now))
            self._beat = time.monotonic()
            with self._lock:
                streams = list(self._streams)
            for stream in streams:
                self._tell_all(stream)

    def _hour_ends(self, now: float) -> float:
        return self.calendar.hour(now)[1] + 0.01  # a timer may ring a little early

    def _tell_all(self, stream: str) -> None:
        with self._lock:
            if (counts := self._streams.get(stream)) is not None:
                for line in counts.lines:
                    self._tell_line(stream, line)
                self._tell_zones(stream)

    def _tell_line(self, stream: str, line: str) -> None:
        if (said := self._do(lambda book: line_counts(book, self.calendar, stream, line))) is not None:
            self._tell(stream, "line", line, said)

    def _tell_zones(self, stream: str) -> None:
        with self._lock:  # who tells later has asked later
            for zone, said in self.zones(stream).items():
                self._tell(stream, "zone", zone, said)
