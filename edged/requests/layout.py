"""The journal's file: its tables, and the steps by which the file of an earlier release becomes today's.

What cannot be read is set aside, in a folder beside it, and never deleted: it holds what was promised.
"""

import logging
import sqlite3
import time
from collections.abc import Mapping
from itertools import count
from pathlib import Path

from edged.flow.counters import Counters
from edged.flow.private import private_file

log = logging.getLogger(__name__)

_TABLE_2 = """
CREATE TABLE requests (
    id INTEGER PRIMARY KEY, identity BLOB, service TEXT, world TEXT, reply BLOB, received REAL,
    segment INTEGER, offset INTEGER, length INTEGER,
    request_id TEXT, code INTEGER, model TEXT, body BLOB, answered REAL);
"""
_COPY_0_1_0 = """
INSERT INTO requests
SELECT id, identity, service, 'mqtt', CAST(json_object(
    'topic', COALESCE(topic, response_topic), 'correlation', LOWER(HEX(correlation))) AS BLOB),
    received, segment, offset, length, request_id, code, model, body, answered
FROM before ORDER BY id;
DROP TABLE before;
"""
"""All requests of 0.1.0 came over MQTT; their addresses become what `edged.mqtt.address` reads."""

_TO_3 = """
ALTER TABLE requests ADD COLUMN checksum INTEGER;
ALTER TABLE requests ADD COLUMN boot TEXT;
ALTER TABLE requests ADD COLUMN ticks REAL;
ALTER TABLE requests ADD COLUMN trusted INTEGER;
CREATE TABLE spool (next INTEGER);
INSERT INTO spool SELECT COALESCE(MAX(segment), 0) + 1 FROM requests;
"""
"""A payload's checksum; when it came, or was answered, in the kernel's time; no segment's number twice."""

_TO_4 = "ALTER TABLE requests ADD COLUMN artefact TEXT;"
"""Address of the file that an answered request left."""

_STEPS: Mapping[int, tuple[int, str]] = {
    0: (2, f"DROP TABLE IF EXISTS requests; {_TABLE_2}"),  # 0.1.0, killed in its first millisecond, left one
    1: (2, f"ALTER TABLE requests RENAME TO before; {_TABLE_2} {_COPY_0_1_0}"),
    2: (3, _TO_3),
    3: (4, _TO_4),
}
"""By `user_version`: the next one and what leads there. 0 holds nothing, 1 is of 0.1.0, 2 of 0.2.0."""
VERSION = 4
"""Raised with each change of the table, together with a step that leads there."""


class _NewerLayout(Exception):
    """The file is of a release that came after this one."""


def open_or_begin(path: Path, counters: Counters) -> sqlite3.Connection:
    """The journal at `path` in today's layout; one that cannot be read is set aside with its spool.

    Raises `sqlite3.OperationalError` when another process holds it or it cannot be written.
    """
    try:
        return _connected(path)
    except sqlite3.OperationalError:  # not readable, locked: nothing wrong with the file
        raise
    except _NewerLayout as error:
        _set_aside(path, "newer", f"the journal is of a newer edged ({error})", counters)
    except sqlite3.DatabaseError as error:
        _set_aside(path, "damaged", f"the journal is damaged ({error})", counters)
    return _connected(path)


def spool_of(path: Path) -> Path:
    """The folder of the payloads of the journal at `path`."""
    return path.parent / "spool"


def _connected(path: Path) -> sqlite3.Connection:
    private_file(path)  # SQLite's log has the rights of its database
    db = sqlite3.connect(path, timeout=1.0, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")  # one process; and no shared memory file
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA wal_autocheckpoint = 0")  # it is done where it is counted
        (health,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if health != "ok":
            raise sqlite3.DatabaseError(health)
        _bring_up_to_date(db)
    except BaseException:
        db.close()
        raise
    return db


def _bring_up_to_date(db: sqlite3.Connection) -> None:
    """One step after the other, each done whole or not at all."""
    first = _version(db)
    while (version := _version(db)) != VERSION:
        if version not in _STEPS:
            raise _NewerLayout(f"its layout is {version}, this one knows {VERSION}")
        following, statements = _STEPS[version]
        db.executescript(f"BEGIN IMMEDIATE; {statements} PRAGMA user_version = {following}; COMMIT;")
    if first not in (0, VERSION):
        log.info("the journal of an earlier edged is taken over")


def _version(db: sqlite3.Connection) -> int:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    return int(version)


def _set_aside(path: Path, kind: str, why: str, counters: Counters) -> None:
    aside = _unused(path.parent / f"{kind}-{int(time.time())}")
    aside.mkdir(mode=0o700)
    names = (path.name, f"{path.name}-wal", f"{path.name}-shm", spool_of(path).name)
    for found in (path.parent / name for name in names):
        if found.exists():
            found.rename(aside / found.name)
    log.error("%s: set aside as %s, a new one is begun", why, aside)
    counters.count("journal_failures", kind)


def _unused(path: Path) -> Path:
    """This path, or one like it: the clock may show the same second twice."""
    tries = (path if n == 0 else path.with_name(f"{path.name}-{n}") for n in count())
    return next(tried for tried in tries if not tried.exists())
