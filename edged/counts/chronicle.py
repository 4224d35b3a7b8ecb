"""The file of counts and events, and its one writer: what one look changes is one transaction.

SQLite in WAL mode with synchronous=NORMAL: nothing is lost when the process is killed at any moment.
"""

import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from edged.counts.layout import open_counts
from edged.flow.counters import Counters

log = logging.getLogger(__name__)

T = TypeVar("T")

MOST_WAITING = 100_000
"""Entries that wait for a disk that is full; then the oldest are lost, and counted."""
GONE_S = 30 * 86400.0
"""Seconds for which the broker is told that a topic is gone, in case it was away."""


@dataclass(frozen=True)
class Entry:
    """A part of what one look changes."""

    write: Callable[[sqlite3.Connection], object]
    """Within a transaction, which may be tried several times; raises `sqlite3.Error` alone."""
    written: Callable[[], object]
    """Called once it is on disk, with the lock held; must not block."""


class Chronicle:
    """A unit. Nothing raises: what cannot be written waits for the disk. Safe from all threads."""

    def __init__(self, path: Path, counters: Counters) -> None:
        self.path = path
        self.lock = threading.RLock()
        """Guards the file; held over what is read and told of it, so that who tells later has read later."""
        self._counters = counters
        self._db: sqlite3.Connection | None = None
        self._why = ""
        """Why nothing can be written: from the first failure until it can be again."""
        self._waiting: deque[Entry] = deque()

    def start(self) -> None:
        """Open the file. The disk may be full."""
        self.do(lambda db: None)

    def stop(self) -> None:
        """Put down what waits."""
        with self.lock:
            self.flush()
            if self._db is not None:
                self._db.close()
                self._db = None

    def state(self) -> str:
        """`running`, or why nothing can be written."""
        return f"counts and events cannot be written: {self._why}" if self._why else "running"

    def beat(self) -> float:
        """Always alive: it has no thread."""
        return time.monotonic()

    def put(self, *entries: Entry) -> None:
        """Write these, all or none, after those that wait."""
        with self.lock:
            self._waiting.extend(entries)
            if (lost := len(self._waiting) - MOST_WAITING) > 0:
                self._counters.count("counts_failures", "lost: the disk is full for too long", lost)
                for _ in range(lost):
                    self._waiting.popleft()
            self.flush()

    def flush(self) -> None:
        """Write what waits, whole or not at all; called every second."""
        with self.lock:
            waiting = tuple(self._waiting)
            if waiting and self.do(lambda db: [entry.write(db) for entry in waiting]) is not None:
                self._waiting.clear()
                self._well()
                for entry in waiting:
                    entry.written()

    def do(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """One transaction; none where it fails, which is counted and logged."""
        with self.lock:
            try:
                if self._db is None:
                    self._db = open_counts(self.path, self._counters)
                with _transaction(self._db):
                    done = work(self._db)
            except (sqlite3.Error, OSError) as error:
                self._counters.count("counts_failures", str(error))
                if not self._why:
                    log.error("%s cannot be written: %s; what happens waits", self.path, error)
                self._why = str(error)
                return None
            if not self._waiting:  # else it may have been read alone
                self._well()
            return done

    def _well(self) -> None:
        if self._why:
            log.warning("%s can be written again", self.path)
        self._why = ""

    def keep_only(self, topics: Collection[str]) -> list[str]:
        """The broker retains these alone; those of earlier days that it shall not retain any more."""
        return self.do(lambda db: _told(db, topics, time.time())) or []


def _told(db: sqlite3.Connection, topics: Collection[str], now: float) -> list[str]:
    db.execute("UPDATE topics SET gone = ? WHERE gone IS NULL", (now,))
    db.executemany("INSERT OR REPLACE INTO topics VALUES (?, NULL)", ((topic,) for topic in topics))
    db.execute("DELETE FROM topics WHERE gone < ?", (now - GONE_S,))
    return [topic for (topic,) in db.execute("SELECT topic FROM topics WHERE gone IS NOT NULL")]


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
