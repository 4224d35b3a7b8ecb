"""The counts on disk: kill -9 between decisions, layouts, files that cannot be read."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest

from edged.counts.book import CountBook, Passage
from edged.counts.chronicle import Chronicle, Entry
from edged.counts.layout import VERSION, open_counts
from edged.flow.counters import Counters

NOW = 1_795_422_600.0
KILLED = """
import sys
from pathlib import Path
from edged.counts.book import CountBook, Passage
from edged.counts.chronicle import Entry, Chronicle
from edged.flow.counters import Counters
chronicle = Chronicle(Path(sys.argv[1]), Counters())
def counted(passage):
    return Entry(lambda db: CountBook(db).count("door", [passage]), lambda: None)
for n in range(10**9):
    both = Passage("a", "in", "cat", n, 1e9 + n), Passage("b", "out", "dog", n, 1e9 + n)
    chronicle.put(*map(counted, both))
    print(n, flush=True)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "counts" / "counts.db"


@pytest.fixture
def book(path):
    with closing(open_counts(path, Counters())) as opened:
        yield CountBook(opened)


def passage(direction="in", at=NOW, line="a", kind="person"):
    return Passage(line, direction, kind, 1, at)


def test_totals_and_times(book):
    book.begin("door", ["a", "b"], NOW - 5)
    five = passage(), passage("out"), passage(at=NOW + 60), passage(kind="cat"), passage(line="b")
    book.count("door", five)
    assert book.standing("door", "a").by_class == {"person": {"in": 2, "out": 1}, "cat": {"in": 1, "out": 0}}
    assert book.standing("door", "a").since == NOW - 5
    assert book.within("door", "a", (NOW, NOW + 60)) == {"in": 2, "out": 1}
    assert book.within("door", "a", (NOW + 60, NOW + 61)) == {"in": 1, "out": 0}


def test_without_a_clock_only_totals_are_counted(book):
    book.begin("door", ["a"], None)
    book.count("door", [passage(at=None)])
    assert book.standing("door", "a").by_class == {"person": {"in": 1, "out": 0}}
    assert book.within("door", "a", (0, 1e12)) == {"in": 0, "out": 0}
    book.begin("door", ["a"], NOW)
    assert book.standing("door", "a").since is None, "it had counted before"


def test_a_line_that_comes_back_goes_on(book):
    book.begin("door", ["a"], NOW)
    book.begin("door", ["a"], NOW + 1000)
    assert book.standing("door", "a").since == NOW


def test_a_kill_leaves_all_decisions_or_none(path):
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True
        ) as process:
            said = [next(process.stdout) for _ in range(20)]
            process.send_signal(signal.SIGKILL)
            said += process.stdout.readlines()
        assert process.returncode == -signal.SIGKILL
        before = int(said[-1]) + 1
        with closing(sqlite3.connect(path)) as db:
            rows = dict(db.execute("SELECT line, COUNT(*) FROM crossings GROUP BY line"))
            totals = dict(db.execute("SELECT line, number FROM totals"))
            assert rows == totals
            assert rows["a"] == rows["b"]
            assert 0 <= rows["a"] - before <= 1, (
                "what was put down is there, and at most one that was not told"
            )
            db.execute("DELETE FROM crossings")
            db.execute("DELETE FROM totals")
            db.commit()


def test_marks_never_sink(book):
    assert book.highest("door") == 0
    book.raise_mark("door", 1000)
    book.raise_mark("door", 500)
    assert (book.highest("door"), book.highest("yard")) == (1000, 0)


def test_what_is_gone_is_named_until_it_is_old(path, monkeypatch):
    chronicle, now = Chronicle(path, Counters()), [NOW]
    monkeypatch.setattr("edged.counts.chronicle.time.time", lambda: now[0])
    assert chronicle.keep_only(["a", "b"]) == []
    assert chronicle.keep_only(["a"]) == ["b"]
    now[0] += 86400
    assert chronicle.keep_only(["a"]) == ["b"], "the broker may have been away"
    assert chronicle.keep_only(["a", "b"]) == []
    chronicle.keep_only(["a"])
    now[0] += 31 * 86400
    assert chronicle.keep_only(["a"]) == []
    chronicle.stop()


def test_what_cannot_be_written_as_a_whole_is_not_written(path):
    chronicle, written = Chronicle(path, Counters()), []

    def fails(db):
        raise sqlite3.OperationalError("database or disk is full")

    counts = Entry(lambda db: CountBook(db).count("door", [passage()]), lambda: written.append("counts"))
    chronicle.put(counts, Entry(fails, lambda: None))
    assert chronicle.do(lambda db: CountBook(db).standing("door", "a")).by_class == {}
    assert written == []
    assert "disk is full" in chronicle.state(), "it can be read, and not written"
    chronicle.stop()


def test_old_crossings_are_forgotten_and_totals_stay(book):
    book.begin("door", ["a"], NOW)
    book.count("door", [passage(), passage(at=NOW + 401 * 86400)])
    for old in (*range(100), 500):
        book.look("door", NOW + old * 86400, NOW + old * 86400 - 60)
    book.tidy(None)
    assert book.within("door", "a", (0, 1e12)) == {"in": 2, "out": 0}, "nobody knows what is old"
    book.tidy(NOW + 401 * 86400)
    assert book.within("door", "a", (0, 1e12)) == {"in": 1, "out": 0}
    assert book._db.execute("SELECT COUNT(*) FROM gaps").fetchone() == (100,)
    book.tidy(NOW + 901 * 86400)
    assert book.within("door", "a", (0, 1e12)) == {"in": 0, "out": 0}, "all of it is old"
    assert book.standing("door", "a").by_class["person"]["in"] == 2


def test_there_are_never_more_crossings_than_fit(book, monkeypatch):
    monkeypatch.setattr("edged.counts.book.MOST_CROSSINGS", 3)
    book.count("door", [passage(at=NOW + n) for n in range(5)])
    book.tidy(None)
    assert book.within("door", "a", (0, 1e12))["in"] == book.within("door", "a", (NOW + 2, 1e12))["in"] == 3


@pytest.mark.parametrize("how", ["no database", "newer", "never released"])
def test_what_cannot_be_read_is_set_aside(path, how):
    with closing(open_counts(path, Counters())) as db:
        CountBook(db).count("door", [passage()])
    if how == "no database":
        path.write_bytes(b"garbage" * 1000)
    else:
        with closing(sqlite3.connect(path)) as db:
            db.execute(f"PRAGMA user_version = {VERSION + 1 if how == 'newer' else VERSION - 1}")
    counters = Counters()
    with closing(open_counts(path, counters)) as db:
        assert CountBook(db).standing("door", "a").by_class == {}
    assert len(list(path.parent.glob("unread-*/counts.db"))) == 1
    assert counters.counts()["counts_failures"] == {"set aside": 1}


def test_only_we_may_read_it(path, book):
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert os.getuid() == path.stat().st_uid


def test_the_day_of_a_busy_line_is_told_quickly(book):
    book.count("door", [passage(at=NOW + n / 10) for n in range(20_000)])
    began = time.perf_counter()
    assert book.within("door", "a", (NOW, NOW + 86400))["in"] == 20_000
    assert time.perf_counter() - began < 10
