"""Counts of all cameras as one unit: puts them down, and tells them when they change and every 10 s."""

import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TypeVar

from edged.contracts.message import LineCounts, ZoneCounts
from edged.counts.book import CountBook, Kind, Passage, PlaceKey
from edged.counts.calendar import Calendar
from edged.counts.history import Asked, History, history
from edged.counts.said import line_counts, trusted, zone_counts
from edged.counts.stream import Clerk, StreamCounts
from edged.flow.counters import Counters

log = logging.getLogger(__name__)

T = TypeVar("T")

EVERY_S = 10.0
"""All is told so often, changed or not."""
RETRY_S = 1.0
"""So often is tried what the disk refused."""
MOST_WAITING = 100_000
"""Crossings that wait for a disk that is full; then the oldest are lost, and counted."""

Tell = Callable[[str, Kind, str, LineCounts | ZoneCounts], None]
"""Called with stream, kind, name of the place, and what is to be told; must not block."""


class CountDesk:
    """A unit. After `start` nothing raises but `history`: what cannot be written waits for the disk."""

    def __init__(self, path: Path, calendar: Calendar, counters: Counters, tell: Tell) -> None:
        self.calendar = calendar
        self._path = path
        self._counters = counters
        self._tell = tell
        self._book: CountBook | None = None
        self._why = ""
        """Why nothing can be written: from the first failure until it can be again."""
        self._waiting: deque[tuple[str, Passage]] = deque()
        self._streams: dict[str, StreamCounts] = {}
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._beat = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="counts", daemon=True)

    def start(self) -> None:
        """Open the book. The disk may be full: then what is counted waits."""
        self._do(lambda book: book.tidy(time.time()))
        self._thread.start()

    def stop(self) -> None:
        """Put down what waits."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(EVERY_S)
        with self._lock:
            self._flush()
            if self._book is not None:
                self._book.close()
                self._book = None

    def state(self) -> str:
        """`running`, or why nothing can be written."""
        return f"counts cannot be written: {self._why}" if self._why else "running"

    def beat(self) -> float:
        """Of its thread."""
        return self._beat

    def open(self, stream: str, lines: Sequence[str], zones: Sequence[str]) -> StreamCounts:
        """A stream begins to count."""
        clerk = Clerk(self._do, self._crossed, self._tell_zones, self._closed, trusted)
        counts = StreamCounts(stream, lines, zones, clerk)
        with self._lock:
            self._streams[stream] = counts
        self._tell_all(stream)
        return counts

    def keep_only(self, keys: Collection[PlaceKey]) -> list[PlaceKey]:
        """The broker retains these alone; those of which it shall be told that they are gone."""
        return self._do(lambda book: book.told(keys, time.time())) or []

    def history(self, asked: Asked) -> History:
        """What was counted. Raises as `history.history`."""
        return history(self._path, self.calendar, asked)

    def _crossed(self, stream: str, passages: Sequence[Passage]) -> None:
        with self._lock:
            self._waiting.extend((stream, one) for one in passages)
            if (lost := len(self._waiting) - MOST_WAITING) > 0:
                self._counters.count("counts_failures", "crossings lost", lost)
                for _ in range(lost):
                    self._waiting.popleft()
            self._flush()

    def _closed(self, counts: StreamCounts) -> None:
        with self._lock:
            if self._streams.get(counts.stream) is counts:
                del self._streams[counts.stream]

    def _flush(self) -> None:
        """Put down what waits, whole or not at all, and tell it; with the lock held."""
        waiting: Collection[tuple[str, Passage]] = tuple(self._waiting)
        if waiting and self._do(lambda book: book.count(waiting)) is not None:
            self._waiting.clear()
            for stream, line in dict.fromkeys((stream, one.line) for stream, one in waiting):
                self._tell_line(stream, line)

    def _do(self, work: Callable[[CountBook], T]) -> T | None:
        """With the book, which is opened where it could not be before."""
        with self._lock:
            try:
                if self._book is None:
                    self._book = CountBook(self._path, self._counters)
                done = work(self._book)
            except (sqlite3.Error, OSError) as error:
                self._counters.count("counts_failures", str(error))
                if not self._why:
                    log.error("the counts in %s cannot be written: %s; they wait", self._path, error)
                self._why = str(error)
                return None
            if self._why:
                log.warning("the counts in %s can be written again", self._path)
            self._why = ""
            return done

    def _run(self) -> None:
        while not self._stopping.is_set():
            now = time.time()
            self._stopping.wait(
                min(EVERY_S, RETRY_S if self._waiting else EVERY_S, self._hour_ends(now) - now)
            )
            self._beat = time.monotonic()
            with self._lock:
                self._flush()
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
            if (counts := self._streams.get(stream)) is not None:
                inside = counts.inside()
                for zone in counts.zones:
                    self._tell(stream, "zone", zone, zone_counts(inside, zone))
