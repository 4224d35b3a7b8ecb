"""What one stream has to do with the counts: ids of its tracks, who crossed, who is where."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edged.counts.book import CountBook

RESERVED_IDS = 1000
"""So many ids are put down at a time; after a kill those that were not given are left out."""
NOTED_S = 10.0
"""So often it is put down that a stream was looked at."""
GAP_S = 2.5
"""Where something is counted, it is put down of a longer time in which nobody looked."""
LATE_S = 60.0
"""A frame may be looked at so much later than one that was captured after it; else the clock was set."""
FRESH_S = 5.0
"""Who is in a zone is known for so long after the last look."""

Inside = Mapping[str, Sequence[tuple[str, float]]]
"""By zone, of everyone who is in it: class, and since when."""


@dataclass(frozen=True)
class Clerk:
    """What a stream asks of the desk; all may be called from any thread."""

    do: Callable[[Callable[[CountBook], Any]], Any]
    """Something with the book; none where it fails, which is counted and logged."""
    changed: Callable[[str], None]
    """Other people are in the zones of a stream."""
    closed: Callable[["StreamCounts"], None]
    """A stream counts no more."""
    trusted: Callable[[], bool]
    """Whether the wall clock may be right."""


class StreamCounts:
    """Of one stream. Safe from all threads."""

    def __init__(self, stream: str, lines: Sequence[str], zones: Sequence[str], clerk: Clerk) -> None:
        self.stream, self.lines, self.zones = stream, lines, zones
        self._clerk = clerk
        self._lock = threading.Lock()
        self._inside: Inside | None = None
        self._last_look = float("-inf")
        """`time.monotonic()`."""
        self._promised = int(clerk.do(lambda book: book.highest(stream)) or 0)
        self._highest = self._promised
        self._looked_at: float | None = clerk.do(lambda book: book.looked_at(stream))
        self._noted_at = float("-inf")
        at = time.time() if clerk.trusted() else None
        clerk.do(lambda book: book.begin(stream, lines, at))

    def highest(self) -> int:
        """No id up to this one may be given."""
        return self._highest

    def promise(self, highest: int) -> None:
        """Ids up to this one are given from now on."""
        if highest > self._promised:
            self._promised = mark = highest + RESERVED_IDS
            self._clerk.do(lambda book: book.raise_mark(self.stream, mark))

    def occupied(self, inside: Inside) -> None:
        """Who is in the zones."""
        with self._lock:
            self._last_look = time.monotonic()
            is_news, self._inside = inside != self._inside, inside
        if is_news:
            self._clerk.changed(self.stream)

    def unknown(self) -> None:
        """Nobody knows who is in the zones."""
        with self._lock:
            is_news, self._inside = self._inside is not None, None
        if is_news:
            self._clerk.changed(self.stream)

    def inside(self) -> Inside | None:
        """Who is in the zones; none: that is not known, or not any more."""
        with self._lock:
            is_fresh = time.monotonic() - self._last_look < FRESH_S
            return self._inside if is_fresh else None

    def looked(self, at: float) -> None:
        """A frame that was captured then was looked at, or nothing moved in it."""
        with self._lock:
            before, self._last_look = self._looked_at, time.monotonic()
            if before is not None and 0 <= before - at < LATE_S:
                return
            self._looked_at = at
            is_gap = before is not None and at - before > GAP_S and bool(self.lines or self.zones)
            gap = before if is_gap else None
            if gap is None and 0 <= at - self._noted_at < NOTED_S:
                return
            self._noted_at = at
        if self._clerk.trusted():
            self._clerk.do(lambda book: book.look(self.stream, at, gap))

    def close(self) -> None:
        """The stream ends."""
        self.unknown()
        with self._lock:
            at = self._looked_at
        if at is not None and self._clerk.trusted():
            self._clerk.do(lambda book: book.look(self.stream, at))
        self._clerk.closed(self)
