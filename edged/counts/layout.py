"""The file of counts and events: its tables, and what becomes of one that cannot be read: set aside."""

import logging
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from edged.contracts.errors import NotReady
from edged.flow.counters import Counters
from edged.flow.private import private_file, private_folder

log = logging.getLogger(__name__)

_TABLES = """
CREATE TABLE lines (stream TEXT, line TEXT, since REAL, PRIMARY KEY (stream, line)) WITHOUT ROWID;
CREATE TABLE totals (
    stream TEXT, line TEXT, class TEXT, direction TEXT, number INTEGER,
    PRIMARY KEY (stream, line, class, direction)) WITHOUT ROWID;
CREATE TABLE crossings (
    id INTEGER PRIMARY KEY, stream TEXT, line TEXT, at REAL, direction TEXT, class TEXT, track INTEGER);
CREATE INDEX crossings_at ON crossings (stream, line, at, direction);
CREATE TABLE quarters (
    stream TEXT, line TEXT, quarter INTEGER, class TEXT, came INTEGER, gone INTEGER,
    PRIMARY KEY (stream, line, quarter, class)) WITHOUT ROWID;
CREATE TRIGGER crossed AFTER INSERT ON crossings BEGIN
    INSERT INTO quarters VALUES (
        NEW.stream, NEW.line, CAST(NEW.at AS INTEGER) / 900, NEW.class,
        NEW.direction = 'in', NEW.direction = 'out')
    ON CONFLICT DO UPDATE SET came = came + excluded.came, gone = gone + excluded.gone;
END;
CREATE TRIGGER forgotten AFTER DELETE ON crossings BEGIN
    UPDATE quarters SET came = came - (OLD.direction = 'in'), gone = gone - (OLD.direction = 'out')
    WHERE (stream, line, quarter, class) = (OLD.stream, OLD.line, CAST(OLD.at AS INTEGER) / 900, OLD.class);
    DELETE FROM quarters
    WHERE (stream, line, quarter, class) = (OLD.stream, OLD.line, CAST(OLD.at AS INTEGER) / 900, OLD.class)
    AND came = 0 AND gone = 0;
END;
CREATE TABLE marks (stream TEXT PRIMARY KEY, highest INTEGER) WITHOUT ROWID;
CREATE TABLE looks (stream TEXT PRIMARY KEY, at REAL) WITHOUT ROWID;
CREATE TABLE gaps (id INTEGER PRIMARY KEY, stream TEXT, began REAL, ended REAL);
CREATE TABLE topics (topic TEXT PRIMARY KEY, gone REAL) WITHOUT ROWID;
CREATE TABLE sequences (stream TEXT PRIMARY KEY, next INTEGER) WITHOUT ROWID;
CREATE TABLE events (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT, stream TEXT, seq INTEGER, phase TEXT, kind TEXT,
    rule TEXT, at REAL, made REAL, body BLOB, total INTEGER, sent INTEGER);
CREATE INDEX events_of_stream ON events (stream);
CREATE INDEX events_of_rule ON events (rule) WHERE rule IS NOT NULL;
CREATE INDEX events_of_kind ON events (kind);
CREATE INDEX events_at ON events (at DESC, stream, rule, kind);
CREATE INDEX events_made ON events (made);
CREATE INDEX events_total ON events (total);
CREATE INDEX events_unsent ON events (sent) WHERE sent = 0;
CREATE TABLE going_on (
    stream TEXT, key TEXT, body BLOB, at REAL, actions TEXT NOT NULL, PRIMARY KEY (stream, key));
CREATE TABLE actions (
    row INTEGER PRIMARY KEY, action TEXT, event INTEGER, made REAL, due REAL, tries INTEGER, why TEXT);
CREATE TABLE rules (rule TEXT PRIMARY KEY, active INTEGER, since REAL, acted REAL) WITHOUT ROWID;
"""
"""`quarters`: sums of the crossings by quarter of an hour, numbered since the epoch; triggers keep them so.
`total`: bytes of this event and all before it; `sent`: 0 not yet, 1 the broker has it, 2 given up.
Of what goes on `actions`: what is done when it ends, should this run be killed."""
VERSION = 5
"""`user_version` of the file; those before it were never released."""


class _Other(Exception):
    """The file has another layout."""


def open_counts(path: Path, counters: Counters) -> sqlite3.Connection:
    """The counts at `path`, begun if there are none.

    Raises `sqlite3.OperationalError` and `OSError` where the disk is full or may not be written.
    """
    try:
        return _connected(path)
    except sqlite3.OperationalError:  # nothing wrong with the file
        raise
    except (_Other, sqlite3.DatabaseError) as error:
        _set_aside(path, error, counters)
    return _connected(path)


@contextmanager
def reading(path: Path, what: str) -> Iterator[sqlite3.Connection]:
    """The same file for one who only reads, beside the one who writes. Raises `NotReady`.

    `what` of it cannot be read, if anything fails.
    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5.0)) as db:
            yield db
    except sqlite3.Error as error:
        raise NotReady(f"{what} cannot be read now: {error}") from error


def _connected(path: Path) -> sqlite3.Connection:
    private_folder(path.parent)
    private_file(path)
    db = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        (health,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if health != "ok":
            raise sqlite3.DatabaseError(health)
        if not (version := db.execute("PRAGMA user_version").fetchone()[0]):
            db.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {VERSION}; COMMIT;")
        elif version != VERSION:
            raise _Other(f"its layout is {version}, this one knows {VERSION}")
    except BaseException:
        db.close()
        raise
    return db


def _set_aside(path: Path, why: Exception, counters: Counters) -> None:
    aside = path.parent / f"unread-{time.time_ns()}"
    aside.mkdir(mode=0o700)
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        if (found := path.parent / name).exists():
            found.rename(aside / name)
    log.error("the counts cannot be read (%s): set aside as %s, new ones are begun", why, aside)
    counters.count("counts_failures", "set aside")
