"""The ledger for all threads, one at a time; what goes wrong is counted, said once, and tried again."""

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from edged.flow.counters import Counters
from edged.flow.private import private_folder
from edged.requests.disk import Disk
from edged.requests.ledger import Ledger, Unsynced

log = logging.getLogger(__name__)

T = TypeVar("T")


class LockedLedger:
    """Safe from all threads. Nothing but `open` raises."""

    def __init__(self, path: Path, disk: Disk, counters: Counters, *, syncs: bool) -> None:
        """`syncs`: somebody will call `sync`."""
        self.why = ""
        """Why nothing is on disk: from the first failure until it can be written again."""
        self._path = path
        self._disk = disk
        self._counters = counters
        self._syncs = syncs
        self._lock = threading.Lock()
        self._ledger: Ledger | None = None
        self._certain = True
        """No sync has failed since all was written anew."""

    def open(self) -> None:
        """Open or begin it. Raises `sqlite3.Error` and `OSError`."""
        private_folder(self._path.parent)
        ledger = Ledger(self._path, self._disk, self._counters, syncs=self._syncs)
        with self._lock:
            self._ledger = ledger

    def is_open(self) -> bool:
        """Whether there is one."""
        return self._ledger is not None

    def close(self) -> None:
        """Give the files back; calls that come later do nothing."""
        with self._lock:
            self.why = ""
            ledger, self._ledger = self._ledger, None
            if ledger is not None:
                with contextlib.suppress(sqlite3.Error, OSError):  # what it holds stays in SQLite's log
                    ledger.close()

    def do(self, work: Callable[[Ledger], T]) -> T | None:
        """A full disk or a broken file gives none, and the caller goes on without."""
        with self._lock:
            if self._ledger is None:
                return None
            try:
                return work(self._ledger)
            except (sqlite3.Error, OSError) as error:
                self.failed(error)
                return None

    def sync(self) -> bool:
        """Make safe what was put down before; others may write meanwhile. False: it is not."""
        found = self.do(self._unsynced)
        if found is None:
            return False
        try:
            for path in found.payloads:
                with contextlib.suppress(FileNotFoundError):  # all of this segment is answered
                    self._disk.sync(path)
            for path in found.rows:
                self._disk.sync(path)
            for path in found.dead:
                self._disk.remove(path)
        except OSError as error:
            self._certain = False
            self.failed(error)
            return False
        self._certain = True
        return True

    def failed(self, error: Exception) -> None:
        """Count it, and say it if all was well before."""
        self._counters.count("journal_failures", str(error))
        if not self.why:
            self.why = str(error)
            served = "requests are still served, but acknowledged only once their answers have arrived"
            log.error("the journal %s fails: %s; %s", self._path, error, served)

    def written(self) -> None:
        """Something was written: all is well again, unless a sync has failed since."""
        if self.why and self._certain:
            self.why = ""
            log.warning("the journal %s can be written again", self._path)

    def _unsynced(self, ledger: Ledger) -> Unsynced:
        if not self._certain:
            ledger.renew()
        return ledger.unsynced()
