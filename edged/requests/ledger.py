"""The journal's files while they are open: a table in SQLite, and the payloads in the spool beside it.

SQLite in WAL mode with synchronous=NORMAL: nothing is lost when the process is killed at any moment. A power
cut takes what was not synced, but never breaks the file: the log counts up to the first torn frame.
"""

import json
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from edged.contracts.request import Answer
from edged.flow import clock
from edged.flow.clock import Moment
from edged.flow.counters import Counters
from edged.requests.disk import Disk
from edged.requests.layout import open_or_begin, spool_of
from edged.requests.spool import Place, Spool, segments

KEPT_S = 600.0
"""Seconds for which the identity of an answered request is kept."""
KEPT_ROWS = 20_000
"""So many identities are kept at most."""
_CHECKPOINT_BYTES = 8_000_000
_ROW_BYTES = 8_000
"""What a change of a row adds to SQLite's log, roughly, beside the answer's body."""
_NUMBERS = 100
"""Segments whose numbers are taken at a time, with one sync."""

_ASK = """
INSERT INTO requests
(identity, service, world, received, reply, boot, ticks, trusted, segment, offset, length, checksum)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_REFUSE = """
INSERT INTO requests
(identity, service, world, received, reply, request_id, code, model, artefact, body, answered, boot, ticks)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_ANSWER = """
UPDATE requests SET reply = ?, request_id = ?, code = ?, model = ?, artefact = ?, body = ?, answered = ?,
boot = ?, ticks = ?, segment = NULL WHERE id = ?
"""
_DONE = """
UPDATE requests SET body = NULL, segment = NULL, answered = COALESCE(answered, received), boot = ?, ticks = ?
WHERE id IN (SELECT value FROM json_each(?))
"""
_OVER = "UPDATE requests SET identity = X'' WHERE id IN (SELECT value FROM json_each(?))"
"""The row stays: it says whose `reply` came last, and its number is not given again."""
_PURGE = """
DELETE FROM requests WHERE answered IS NOT NULL AND body IS NULL
AND (ticks < ? OR id <= (SELECT MAX(id) FROM requests) - ?)
"""
_COUNT_ANEW = "UPDATE requests SET boot = ?, ticks = ? WHERE answered IS NOT NULL AND boot IS NOT ?"
"""How long ago something was answered before the last boot nobody knows: it is as if it were now."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as far as it must be remembered until its answer has arrived."""

    identity: bytes
    """Equal for doubles."""
    service: str
    world: str
    """The outside world that took it and will answer it, such as `mqtt`."""
    reply: bytes
    """Where the answer goes: written and read by that world alone."""
    received: float
    """`time.time()`: for people; how long ago it is, the journal knows better."""


@dataclass(frozen=True, slots=True)
class Addressed:
    """An answer and where it goes."""

    reply: bytes
    """As in `Request`; now that there is an answer, it may say more."""
    answer: Answer
    service: str = ""
    """Of the request, when it is read back."""


class Unsynced(NamedTuple):
    """What makes all safe that was put down, in this order."""

    payloads: list[Path]
    """To be synced; one that is gone by now was not needed any more."""
    rows: list[Path]
    """To be synced."""
    dead: list[Path]
    """To be removed."""


class Ledger:
    """Not safe from several threads at once. Raises `sqlite3.Error` and `OSError`."""

    def __init__(self, path: Path, disk: Disk, counters: Counters, *, syncs: bool) -> None:
        """Opens or begins it; that of an earlier release is taken over, a damaged one is set aside.

        `syncs`: somebody will sync what `unsynced` names.
        """
        self._path = path
        self._disk = disk
        self._syncs = syncs
        self._changed = 0
        """Bytes in SQLite's log, roughly."""
        self._unsynced = False
        self._db = open_or_begin(path, counters)
        try:
            self._places = self._needed()
            """Payloads of the requests without an answer, by row."""
            self._next = self._reserved = self._first_number()
            self._reserve()
            places = self._places.values()
            self._spool = Spool(spool_of(path), places, self._number, disk, syncs=syncs)
            for folder in (path.parent, path.parent.parent):  # which may be new
                disk.sync(folder)
            self._db.execute(_COUNT_ANEW, (clock.boot_id(), clock.ticks(), clock.boot_id()))
            (self.horizon,) = self._db.execute("SELECT COALESCE(MAX(id), 0) FROM requests").fetchone()
            """The last row of earlier runs."""
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Give the files back."""
        try:
            self._spool.finish()
            self._disk.checkpoint(self._db, self._path)
            for path in self._spool.dead():
                self._disk.remove(path)
        finally:
            self._db.close()

    def ask(self, request: Request, payload: bytes) -> int:
        """Put a request down. Its row."""
        place, now = self._spool.write(payload, request.identity), clock.now()
        try:
            where = (place.segment, place.offset, place.length, place.checksum)
            arrived = (now.boot, now.ticks, now.trusted)
            row = self._db.execute(_ASK, (*_known(request), request.reply, *arrived, *where)).lastrowid
            assert row is not None  # noqa: S101 - a row was inserted
        except sqlite3.Error:
            self._spool.release(place.segment)
            raise
        self._places[row] = place
        self._has_changed()
        return row

    def answer(self, row: int | None, request: Request, out: Addressed) -> int | None:
        """Put an answer down, of the request in `row` or of one that is not in the ledger. Its row."""
        answer = out.answer
        said = (out.reply, answer.request_id, answer.code, answer.model, answer.artefact, answer.body)
        columns = (*said, time.time(), clock.boot_id(), clock.ticks())
        if row is None:
            row = self._db.execute(_REFUSE, (*_known(request), *columns)).lastrowid
        else:
            self._db.execute(_ANSWER, (*columns, row))
            self._forget(row)
        self._has_changed(len(answer.body))
        return row

    def done(self, rows: list[int], over: list[int]) -> bool:
        """The clients have these answers: only identities are kept, and of those in `over` none. True."""
        rows = rows + over
        self._db.execute(_DONE, (clock.boot_id(), clock.ticks(), json.dumps(rows)))
        if over:
            self._db.execute(_OVER, (json.dumps(over),))
        for row in rows:  # those whose answers could not be written still have a payload
            self._forget(row)
        self._has_changed()
        return True

    def tidy(self) -> None:
        """Forget identities that are old or too many, and end a segment that is old."""
        self._spool.tidy()
        if self._db.execute(_PURGE, (clock.ticks() - KEPT_S, KEPT_ROWS)).rowcount:
            self._has_changed()

    def payload(self, row: int) -> bytes | None:
        """The payload of a request without an answer; none when it was lost."""
        ((identity,),) = self.read("SELECT identity FROM requests WHERE id = ?", row)
        return self._spool.read(self._places[row], identity)

    def waited(self, row: int) -> float:
        """Seconds since the request in `row`, which has no answer, came in."""
        found = self.read("SELECT boot, ticks, received, trusted FROM requests WHERE id = ?", row)
        boot, ticks, received, trusted = found[0]
        then = Moment(boot or "", ticks or 0.0, received, trusted is None or bool(trusted))
        return clock.now().since(then)

    def read(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """What the statement selects."""
        return self._db.execute(statement, values).fetchall()

    def unsynced(self) -> Unsynced:
        """What is to be done for all that was put down; it is named once."""
        rows, self._unsynced = self._unsynced, False
        return Unsynced(self._spool.unsynced(), [self._log] if rows else [], self._spool.dead())

    def renew(self) -> None:
        """After a sync that failed nothing in SQLite's log is certain: what it holds is written once more."""
        self._spool.finish()
        self._disk.checkpoint(self._db, self._path, truncate=True)

    @property
    def _log(self) -> Path:
        return self._path.with_name(f"{self._path.name}-wal")

    def _needed(self) -> dict[int, Place]:
        rows = self.read(
            "SELECT id, segment, offset, length, checksum FROM requests WHERE segment IS NOT NULL"
        )
        return {row: Place(*place) for row, *place in rows}

    def _first_number(self) -> int:
        """Above the mark, and above all that is named or there, should the mark be wrong."""
        ((mark,),) = self.read("SELECT next FROM spool")
        named = (place.segment for place in self._places.values())
        return max(int(mark), *(n + 1 for n in (0, *named, *segments(spool_of(self._path)))))

    def _reserve(self) -> None:
        self._reserved += _NUMBERS
        self._db.execute("UPDATE spool SET next = ?", (self._reserved,))
        self._disk.sync(self._log)

    def _number(self) -> int:
        if self._next == self._reserved:
            self._reserve()
        self._next += 1
        return self._next - 1

    def _forget(self, row: int) -> None:
        if (place := self._places.pop(row, None)) is not None:
            self._spool.release(place.segment)

    def _has_changed(self, size: int = 0) -> None:
        self._unsynced = self._syncs
        self._changed += size + _ROW_BYTES
        if self._changed > _CHECKPOINT_BYTES:
            self._changed = 0
            self._disk.checkpoint(self._db, self._path)


def _known(request: Request) -> tuple[object, ...]:
    return (request.identity, request.service, request.world, request.received)
