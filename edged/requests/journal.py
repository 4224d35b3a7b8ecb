"""The request journal: what was promised to clients, on disk, as safely as `requests.durability` says.

A request is acknowledged to whoever sent it when it is kept or when its answer is. One row lives through
three states: asked (payload in the spool), answered (waits until the client has it), done (only the identity
is kept, so that a double is known). What cannot be written is served from memory; its sender keeps it then.
"""

import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

from edged.contracts.errors import ConfigError
from edged.contracts.request import Answer
from edged.flow.counters import Counters
from edged.requests.disk import Disk
from edged.requests.group import GroupCommit
from edged.requests.ledger import KEPT_ROWS, KEPT_S, Addressed, Ledger, Request
from edged.requests.locked import LockedLedger

__all__ = ["KEPT_ROWS", "KEPT_S", "Addressed", "Durability", "Journal", "Request"]

Durability = Literal["memory", "process", "power"]
"""What a request survives once it is acknowledged: nothing (so it is not before its answer has arrived), the
end of the process, a power cut."""


class Journal:
    """Safe from all threads. After `open` nothing raises: what cannot be written is counted and said once."""

    def __init__(
        self,
        folder: Path,
        counters: Counters,
        durability: Durability = "process",
        disk: Disk | None = None,
    ) -> None:
        self.reopened: Callable[[], None] = lambda: None
        """Called when a disk that could not be written can be: set by who takes what is left there."""
        self._path = folder / "requests.db"
        self._durability: Durability = durability
        syncs = durability == "power"
        self._ledger = LockedLedger(self._path, disk or Disk(counters), counters, syncs=syncs)
        self._group = GroupCommit(self._ledger.sync) if syncs else None

    def open(self) -> None:
        """Open or begin it. Where the folder cannot be written, requests are kept in memory for now.

        Raises `ConfigError` when another process holds the journal.
        """
        try:
            if self._durability != "memory" or self._path.exists():
                self._ledger.open()
        except (sqlite3.Error, OSError) as error:
            if "locked" in str(error):
                hint = "does another edged use this folder?"
                raise ConfigError(f"paths.state: {self._path} cannot be opened: {error}; {hint}") from error
            self._ledger.failed(error)
        if self._group is not None:
            self._group.start()

    def close(self) -> None:
        """Give the files back; calls that come later do nothing."""
        if self._group is not None:
            self._group.stop()
        self._ledger.close()

    def kept(self) -> str:
        """The durability as it is now, with why where it is not as it should be."""
        return f"memory: {self._ledger.why}" if self._ledger.why else self._durability

    def ask(self, request: Request, payload: bytes) -> int | None:
        """Put a request down. Its row, or none when it could not be, or shall not be, written."""
        if self._durability == "memory":
            return None
        row = self._ledger.do(lambda ledger: ledger.ask(request, payload))
        if row is not None:
            self._ledger.written()
        return row

    def answer(self, row: int | None, request: Request, out: Addressed) -> int | None:
        """Put an answer down, of the request in `row` or of one that is not on disk. Its row, as above."""
        if row is None and self._durability == "memory":
            return None
        return self._ledger.do(lambda ledger: ledger.answer(row, request, out))

    def once_kept(self, told: Callable[[], object]) -> None:
        """Call `told` when what was put down before is as safe as it shall be; never, if it cannot be."""
        if self._group is None:
            told()
        else:
            self._group.after(told)

    def done(self, rows: Iterable[int], over: Iterable[int] = ()) -> bool:
        """The clients have these answers: only their identities are kept.

        `over`: rows of which not even these are, for no double of theirs can come. False: it could not be
        written; unless it is told again, the next run will answer once more.
        """
        ids, nameless = list(rows), list(over)
        return bool(self._ledger.do(lambda ledger: ledger.done(ids, nameless)))

    def tend(self) -> None:
        """Now and then: forget what is old, and try again to open what could not be."""
        if self._ledger.is_open() or not self._ledger.why:
            self._ledger.do(Ledger.tidy)
            self.once_kept(lambda: None)  # what is answered goes with a sync
            return
        try:
            self._ledger.open()
        except (sqlite3.Error, OSError):  # said when it began
            return
        self._ledger.written()
        self.reopened()

    def left(self, world: str) -> list[tuple[int, Request]]:
        """Requests of a world that earlier runs did not answer, oldest first."""
        return [(row, request) for row, request in self.asked(world) if row <= self._horizon()]

    def left_answered(self, world: str) -> list[int]:
        """Rows of the answers of a world by earlier runs that have not arrived, oldest first."""
        return [row for row in self.answered(world) if row <= self._horizon()]

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
        return self._ledger.do(lambda ledger: ledger.payload(row))

    def waited(self, row: int) -> float:
        """Seconds since the request in `row`, which has no answer, came in, whatever the clock was set to."""
        return self._ledger.do(lambda ledger: ledger.waited(row)) or 0.0

    def answered(self, world: str) -> list[int]:
        """Rows of the answers of a world that have not arrived, oldest first."""
        rows = self._read("SELECT id FROM requests WHERE body IS NOT NULL AND world = ? ORDER BY id", world)
        return [row for (row,) in rows]

    def answer_of(self, row: int) -> Addressed | None:
        """The answer of a row that `answered` names."""
        found = self._read(
            "SELECT reply, service, request_id, body, code, model, NULL, artefact FROM requests "
            "WHERE body IS NOT NULL AND id = ?",
            row,
        )
        return Addressed(found[0][0], Answer(*found[0][2:]), found[0][1]) if found else None

    def identities(self, world: str) -> list[tuple[bytes, bytes]]:
        """Of all requests of a world that are remembered, with `reply`, oldest first; empty: it is over."""
        rows = self._read("SELECT identity, reply FROM requests WHERE world = ? ORDER BY id", world)
        return [(row[0], row[1]) for row in rows]

    def _horizon(self) -> int:
        return self._ledger.do(lambda ledger: ledger.horizon) or 0

    def _read(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        return self._ledger.do(lambda ledger: ledger.read(statement, *values)) or []
