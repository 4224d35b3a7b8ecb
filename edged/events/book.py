"""Events on disk: put down with what is to be done about them, sent, forgotten when they are old."""

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from edged.contracts.happenings import EventMessage
from edged.events.event_settings import EventSettings
from edged.events.happening import Standing

OVERHEAD = 200
"""Bytes that an event takes on disk beside its body."""

UNKNOWN = Standing(None, None)


@dataclass(frozen=True, slots=True)
class Noted:
    """An event on its way into the book."""

    message: EventMessage
    """Its `seq` is given in the book."""
    key: str
    """Of the happening."""
    at: float | None
    """Seconds since the epoch: when it began, or of an end when it ended; none: unknown."""
    actions: tuple[str, ...] = ()
    at_end: tuple[str, ...] = ()
    """As of the happening."""


class Unsent(NamedTuple):
    """An event that the broker does not have."""

    number: int
    stream: str
    body: bytes


class EventBook:
    """For as long as a transaction of the chronicle. Raises `sqlite3.Error`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def put(self, noted: Noted, now: float | None) -> None:
        """The next event of its stream. `now`: seconds since the epoch; none: nobody has set the clock."""
        message = noted.message.model_copy(update={"seq": self._next_seq(noted.message.stream)})
        body = encoded(message)
        total = (self._newest("total") or 0) + len(body) + OVERHEAD
        row = (message.id, message.stream, message.seq, message.phase, message.event, message.rule)
        made = self._db.execute(
            "INSERT INTO events VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
            (*row, noted.at, now, body, total),
        )
        if message.phase == "begin":
            begun = (message.stream, noted.key, body, noted.at, orjson.dumps(noted.at_end).decode())
            self._db.execute("INSERT OR REPLACE INTO going_on VALUES (?, ?, ?, ?, ?)", begun)
        elif message.phase == "end":
            self._db.execute("DELETE FROM going_on WHERE stream = ? AND key = ?", (message.stream, noted.key))
        for action in noted.actions:
            due = (action, made.lastrowid, now, now or 0.0)
            self._db.execute("INSERT INTO actions VALUES (NULL, ?, ?, ?, ?, 0, '')", due)
        if noted.actions and message.rule and message.phase != "end":
            self._db.execute(
                "INSERT INTO rules VALUES (?, NULL, NULL, ?)"
                " ON CONFLICT DO UPDATE SET acted = excluded.acted",
                (message.rule, now),
            )

    def going_on(self) -> list[Noted]:
        """The beginnings of what has not ended."""
        rows = self._db.execute("SELECT key, body, at, actions FROM going_on ORDER BY rowid").fetchall()
        return [
            Noted(EventMessage.model_validate_json(body), key, at, at_end=tuple(orjson.loads(actions)))
            for key, body, at, actions in rows
        ]

    def newest(self) -> int:
        """Number of the newest event; 0: there is none."""
        return self._newest("number") or 0

    def unsent(self, after: int, most: int) -> list[Unsent]:
        """Of those that the broker does not have the oldest with greater numbers."""
        rows = self._db.execute(
            "SELECT number, stream, body FROM events WHERE sent = 0 AND number > ? ORDER BY number LIMIT ?",
            (after, most),
        )
        return [Unsent(*row) for row in rows]

    def waiting(self) -> int:
        """How many the broker does not have."""
        return int(self._db.execute("SELECT COUNT(*) FROM events WHERE sent = 0").fetchone()[0])

    def sent(self, numbers: Collection[int]) -> int:
        """The broker has these. How many."""
        self._db.executemany("UPDATE events SET sent = 1 WHERE number = ?", ((one,) for one in numbers))
        return len(numbers)

    def tidy(self, settings: EventSettings, now: float | None) -> int:
        """Forget what is old or too much. How many were given up that the broker never had."""
        surplus = (self._newest("total") or 0) - settings.max_bytes
        given_up = self._changed("DELETE FROM events WHERE total <= ? AND +sent = 0", surplus)
        self._db.execute("DELETE FROM events WHERE total <= ?", (surplus,))
        if now is not None:
            given_up += self._changed(
                "UPDATE events SET sent = 2 WHERE sent = 0 AND made < ?", now - settings.unsent
            )
            self._db.execute("DELETE FROM events WHERE made < ?", (now - settings.keep,))
        self._db.execute("DELETE FROM actions WHERE event NOT IN (SELECT number FROM events)")
        return given_up

    def stand(self, rule: str, standing: Standing) -> None:
        """What is told of a rule."""
        self._db.execute(
            "INSERT INTO rules VALUES (?, ?, ?, NULL)"
            " ON CONFLICT DO UPDATE SET active = excluded.active, since = excluded.since",
            (rule, standing.active, standing.since),
        )

    def stood(self) -> dict[str, Standing]:
        """What was told last of each rule; of one that held, that nobody knows."""
        rows = self._db.execute("SELECT rule, active, since FROM rules").fetchall()
        return {rule: Standing(False, since) if known == 0 else UNKNOWN for rule, known, since in rows}

    def acted(self) -> dict[str, float]:
        """When each rule acted last, seconds since the epoch, where it did."""
        return dict(self._db.execute("SELECT rule, acted FROM rules WHERE acted IS NOT NULL"))

    def keep_rules(self, rules: Collection[str]) -> None:
        """There are no others any more."""
        known = [rule for (rule,) in self._db.execute("SELECT rule FROM rules")]
        gone = [(rule,) for rule in known if rule not in rules]
        self._db.executemany("DELETE FROM rules WHERE rule = ?", gone)

    def _next_seq(self, stream: str) -> int:
        found = self._db.execute("SELECT next FROM sequences WHERE stream = ?", (stream,)).fetchone()
        seq = int(found[0]) if found else 0
        self._db.execute("INSERT OR REPLACE INTO sequences VALUES (?, ?)", (stream, seq + 1))
        return seq

    def _newest(self, column: str) -> int | None:
        query = f"SELECT {column} FROM events ORDER BY number DESC LIMIT 1"  # noqa: S608
        found = self._db.execute(query).fetchone()
        return int(found[0]) if found else None

    def _changed(self, statement: str, value: float) -> int:
        return self._db.execute(statement, (value,)).rowcount


def encoded(message: EventMessage) -> bytes:
    """As it is sent and kept."""
    return orjson.dumps(message.model_dump(by_alias=True))
