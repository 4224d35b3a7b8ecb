"""The request journal: what was promised to clients, on disk.

A request is acknowledged to whoever sent it when it is on disk or when its answer is on disk. One row lives
through three states: asked (payload in the spool), answered (waits until the client has it), done (only the
identity is kept, so that a double is known). SQLite in WAL mode with synchronous=NORMAL: nothing is lost when
the process is killed at any moment; when the machine loses power, the last transactions may be missing, but
the file is never broken.
"""

import json
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from edged.contracts.errors import ConfigError
from edged.contracts.request import Answer
from edged.flow.counters import Counters
from edged.requests.layout import open_or_begin, spool_of
from edged.requests.spool import Place, Spool

log = logging.getLogger(__name__)

T = TypeVar("T")

KEPT_S = 600.0
"""Seconds for which the identity of an answered request is kept."""
KEPT_ROWS = 20_000
"""So many identities are kept at most."""

_ASK = """
INSERT INTO requests (identity, service, world, received, reply, segment, offset, length)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_REFUSE = """
INSERT INTO requests (identity, service, world, received, reply, request_id, code, model, body, answered)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_ANSWER = """
UPDATE requests SET reply = ?, request_id = ?, code = ?, model = ?, body = ?, answered = ?, segment = NULL
WHERE id = ?
"""
_DONE = """
UPDATE requests SET body = NULL, segment = NULL, answered = COALESCE(answered, received)
WHERE id IN (SELECT value FROM json_each(?))
"""
_PURGE = """
DELETE FROM requests WHERE answered IS NOT NULL AND body IS NULL
AND (answered < ? OR id <= (SELECT MAX(id) FROM requests) - ?)
"""


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
    """`time.time()`."""


@dataclass(frozen=True, slots=True)
class Addressed:
    """An answer and where it goes."""

    reply: bytes
    """As in `Request`; now that there is an answer, it may say more."""
    answer: Answer
    service: str = ""
    """Of the request, when it is read back."""


class Journal:
    """Safe from all threads. After `open` nothing raises: what cannot be written is counted and said once."""

    def __init__(self, folder: Path, counters: Counters) -> None:
        self._path = folder / "requests.db"
        self._counters = counters
        self._lock = threading.Lock()
        self._open: tuple[sqlite3.Connection, Spool] | None = None
        self._places: dict[int, Place] = {}
        """Payloads of the requests without an answer, by row."""
        self._well = True

    def open(self) -> None:
        """Open or begin the journal; that of an earlier release is taken over, a damaged one is set aside.

        Raises `ConfigError` when the folder cannot be written or another process holds the journal.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            db = open_or_begin(self._path, self._counters)
            needed = db.execute("SELECT id, segment, offset, length FROM requests WHERE segment IS NOT NULL")
            self._places = {row: Place(*place) for row, *place in needed}
            self._open = db, Spool(spool_of(self._path), self._places.values())
        except (sqlite3.Error, OSError) as error:
            hint = "; does another edged use this folder?" if "locked" in str(error) else ""
            raise ConfigError(f"paths.state: {self._path} cannot be opened: {error}{hint}") from error

    def close(self) -> None:
        """Give the files back; calls that come later do nothing."""
        with self._lock:
            if self._open is not None:
                db, spool = self._open
                self._open = None
                spool.close()
                db.close()

    def ask(self, request: Request, payload: bytes) -> int | None:
        """Put a request down. Its row, or none when it could not be written."""

        def insert(db: sqlite3.Connection, spool: Spool) -> int | None:
            place = spool.write(payload)
            try:
                where = (place.segment, place.offset, place.length)
                row = db.execute(_ASK, (*_known(request), request.reply, *where)).lastrowid
            except sqlite3.Error:
                spool.release(place.segment)
                raise
            if row is not None:
                self._places[row] = place
            return row

        row = self._do(insert)
        if row is not None and not self._well:
            self._well = True
            log.warning("the journal %s can be written again", self._path)
        return row

    def answer(self, row: int | None, request: Request, out: Addressed) -> int | None:
        """Put an answer down, of the request in `row` or of one that is not on disk. Its row, as above."""
        answer = out.answer
        columns = (out.reply, answer.request_id, answer.code, answer.model, answer.body, time.time())

        def update(db: sqlite3.Connection, spool: Spool) -> int | None:
            if row is None:
                return db.execute(_REFUSE, (*_known(request), *columns)).lastrowid
            db.execute(_ANSWER, (*columns, row))
            self._forget(spool, row)
            return row

        return self._do(update)

    def done(self, rows: Iterable[int]) -> None:
        """The clients have these answers: only their identities are kept."""
        ids = list(rows)

        def update(db: sqlite3.Connection, spool: Spool) -> None:
            db.execute(_DONE, (json.dumps(ids),))
            for row in ids:  # those whose answers could not be written still have a payload
                self._forget(spool, row)

        self._do(update)

    def purge(self) -> None:
        """Forget identities that are old or too many."""
        self._do(lambda db, _: db.execute(_PURGE, (time.time() - KEPT_S, KEPT_ROWS)))

    def asked(self, world: str) -> list[tuple[int, Request]]:
        """Requests of a world without an answer, oldest first."""
        rows = self._read(
            "SELECT id, identity, service, world, reply, received "
            "FROM requests WHERE answered IS NULL AND world = ? ORDER BY id",
            world,
        )
        return [(row[0], Request(*row[1:])) for row in rows]

    def payload(self, row: int) -> bytes | None:
        """The payload of a request without an answer; none when it was lost."""

        def read(_: sqlite3.Connection, spool: Spool) -> bytes | None:
            place = self._places[row]
            payload = spool.read(place)
            return payload if len(payload) == place.length else None

        return self._do(read)

    def answered(self, world: str) -> list[int]:
        """Rows of the answers of a world that have not arrived, oldest first."""
        rows = self._read("SELECT id FROM requests WHERE body IS NOT NULL AND world = ? ORDER BY id", world)
        return [row for (row,) in rows]

    def answer_of(self, row: int) -> Addressed | None:
        """The answer of a row that `answered` names."""
        found = self._read(
            "SELECT reply, service, request_id, body, code, model FROM requests "
            "WHERE body IS NOT NULL AND id = ?",
            row,
        )
        return Addressed(found[0][0], Answer(*found[0][2:]), found[0][1]) if found else None

    def identities(self, world: str) -> list[tuple[bytes, bytes]]:
        """Of all requests of a world that are remembered, with `reply`, oldest first."""
        rows = self._read("SELECT identity, reply FROM requests WHERE world = ? ORDER BY id", world)
        return [(row[0], row[1]) for row in rows]

    def _forget(self, spool: Spool, row: int) -> None:
        if (place := self._places.pop(row, None)) is not None:
            spool.release(place.segment)

    def _read(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        return self._do(lambda db, _: db.execute(statement, values).fetchall()) or []

    def _do(self, work: Callable[[sqlite3.Connection, Spool], T]) -> T | None:
        """One thread at a time. A full disk or a broken file gives none, and the caller goes on without."""
        with self._lock:
            if self._open is None:
                return None
            try:
                return work(*self._open)
            except (sqlite3.Error, OSError) as error:
                self._failed(error)
                return None

    def _failed(self, error: Exception) -> None:
        self._counters.count("journal_failures", str(error))
        if self._well:
            self._well = False
            served = "requests are still served, but acknowledged only once their answers have arrived"
            log.error("the journal %s fails: %s; %s", self._path, error, served)


def _known(request: Request) -> tuple[object, ...]:
    return (request.identity, request.service, request.world, request.received)
