"""What is told of counts: at each change, at the boundaries of days, after a full disk, without a clock."""

import sqlite3
import time
from contextlib import contextmanager

import pytest

from edged.contracts.errors import NotFound
from edged.counts import book, desk, said
from edged.counts.calendar import Calendar, zone_named
from edged.counts.chronicle import Chronicle, Entry
from edged.counts.desk import CountDesk
from edged.counts.history import Asked
from edged.flow.counters import Counters
from edged.ops.movements import Crossing
from tests.broker import until
from tests.counts.crossings import cross


class Teller:
    """A desk, and what it tells."""

    def __init__(self, folder, zone="Europe/Berlin"):
        self.told = []
        self.counters = Counters()
        calendar = Calendar(zone_named(zone))
        tell = lambda *heard: self.told.append(heard)  # noqa: E731
        self.chronicle = Chronicle(folder / "counts" / "counts.db", self.counters)
        self.desk = CountDesk(self.chronicle, calendar, tell)

    def cross(self, *crossings):
        cross(self.chronicle, self.desk, "door", *crossings)

    def of(self, place):
        return [heard[3] for heard in self.told if heard[2] == place]


@pytest.fixture(autouse=True)
def synced(monkeypatch):
    """Whoever runs this may have a clock that nobody set."""
    states = ["synced"]
    monkeypatch.setattr(said.clock, "state", lambda: states[-1])
    return states


@contextmanager
def telling(folder, **options):
    teller = Teller(folder, **options)
    teller.desk.start()
    try:
        yield teller
    finally:
        teller.desk.stop()
        teller.chronicle.stop()


def crossing(direction="in", line="a", at=None):
    return Crossing(line, direction, 7, "person", time.time() if at is None else at)


def test_a_crossing_is_told_once_it_is_on_disk(tmp_path):
    with telling(tmp_path) as teller:
        teller.desk.open("door", ["a"], [])
        teller.cross(crossing(), crossing("out"))
        last = teller.of("a")[-1]
        assert (last.in_, last.out, last.today.in_, last.hour.out) == (1, 1, 1, 1)
        assert last.by_class["person"].in_ == 1
        assert last.since is not None
    with telling(tmp_path) as later:
        later.desk.open("door", ["a"], [])
        assert later.of("a")[-1] == last


def test_under_a_clock_that_nobody_set_totals_only(tmp_path, synced):
    synced.append("unsynced")
    with telling(tmp_path) as teller:
        teller.desk.open("door", ["a"], [])
        teller.cross(crossing())
        last = teller.of("a")[-1]
        assert (last.in_, last.since, last.today, last.hour) == (1, None, None, None)
        synced.append("synced")
        assert teller.desk.history(Asked(0, 1e12)).rows == []


def test_today_and_hour_are_told_anew_when_they_end(tmp_path, monkeypatch):
    with telling(tmp_path) as teller:
        midnight = teller.desk.calendar.day(time.time())[1]
        teller.desk.open("door", ["a"], [])
        teller.cross(crossing(at=midnight - 60))
        assert teller.of("a")[-1].today.in_ in (0, 1)
    monkeypatch.setattr(desk, "EVERY_S", 3600)  # so that nothing but the boundary tells
    offset = midnight - 0.5 - time.time()
    real = time.time
    for module in (desk, said):
        monkeypatch.setattr(
            module, "time", type("Clock", (), {"time": lambda: real() + offset, "monotonic": time.monotonic})
        )
    with telling(tmp_path) as teller:
        teller.desk.open("door", ["a"], [])
        assert (teller.of("a")[0].today.in_, teller.of("a")[0].hour.in_) == (1, 1)
        until(lambda: teller.of("a")[-1].today.in_ == 0, "the new day")
        assert (teller.of("a")[-1].hour.in_, teller.of("a")[-1].in_) == (0, 1)


def test_what_a_full_disk_refused_is_counted_later_and_once(tmp_path, monkeypatch):
    full = [True]
    real = book.CountBook.count

    def count(self, stream, passages):
        if full[0]:
            raise sqlite3.OperationalError("database or disk is full")
        return real(self, stream, passages)

    monkeypatch.setattr(book.CountBook, "count", count)
    with telling(tmp_path) as teller:
        teller.desk.open("door", ["a"], [])
        teller.cross(crossing())
        teller.cross(crossing(), crossing("out"))
        assert teller.of("a")[-1].in_ == 0, "what is told follows from the disk"
        assert "disk is full" in teller.chronicle.state()
        full[0] = False
        teller.chronicle.flush()
        assert (teller.of("a")[-1].in_, teller.of("a")[-1].out) == (2, 1)
        assert teller.chronicle.state() == "running"


def test_a_disk_that_cannot_be_written_at_the_start(tmp_path):
    (tmp_path / "counts").write_text("no folder")
    with telling(tmp_path) as teller:
        counts = teller.desk.open("door", ["a"], [])
        teller.cross(crossing())
        counts.promise(3)
        assert "counts and events cannot be written" in teller.chronicle.state()
        (tmp_path / "counts").unlink()
        teller.chronicle.flush()
        assert teller.of("a")[-1].in_ == 1
        assert [row.came for row in teller.desk.history(Asked(0, 1e12)).rows] == [1]


def test_ids_are_never_used_again(tmp_path, monkeypatch):
    with telling(tmp_path) as teller:
        counts = teller.desk.open("door", [], [])
        assert counts.highest() == 0
        counts.promise(5)
    with telling(tmp_path) as later:
        highest = later.desk.open("door", [], []).highest()
        assert highest >= 5
        assert later.desk.open("yard", [], []).highest() == 0
        writes = []
        counts = later.desk.open("door", [], [])
        monkeypatch.setattr(book.CountBook, "raise_mark", lambda *mark: writes.append(mark))
        for id in range(highest, highest + 3000):
            counts.promise(id)
        assert len(writes) == 3, "they are put down in blocks"


def test_zones_are_null_while_nobody_knows(tmp_path):
    with telling(tmp_path) as teller:
        counts = teller.desk.open("door", [], ["till"])
        assert teller.of("till")[-1].count is None
        counts.occupied({"till": [("person", 100.0), ("cat", 90.0), ("person", 95.0)]})
        last = teller.of("till")[-1]
        assert (last.count, last.by_class) == (3, {"cat": 1, "person": 2})
        assert last.longest_since == "1970-01-01T00:01:30.000000Z"
        before = len(teller.told)
        counts.occupied({"till": [("person", 100.0), ("cat", 90.0), ("person", 95.0)]})
        assert len(teller.told) == before, "nothing is new"
        counts.unknown()
        assert teller.of("till")[-1].count is None
        counts.occupied({"till": []})
        assert (teller.of("till")[-1].count, teller.of("till")[-1].longest_since) == (0, None)
        counts.close()
        assert teller.of("till")[-1].count is None


def test_who_is_in_a_zone_is_not_known_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(desk, "EVERY_S", 0.05)
    monkeypatch.setattr("edged.counts.stream.FRESH_S", 0.2)
    with telling(tmp_path) as teller:
        counts = teller.desk.open("door", [], ["till"])
        counts.occupied({"till": [("person", 100.0)]})
        assert teller.of("till")[-1].count == 1
        until(lambda: teller.of("till")[-1].count is None, "the detector hangs")


def test_gaps_say_when_nobody_looked(tmp_path):
    began = time.time() // 1
    first, second = (began + 1.0, began + 10.0), (began + 10.3, began + 500.0)
    with telling(tmp_path) as teller:
        counts = teller.desk.open("door", ["a"], [])
        for at in (0.0, 0.4, 1.0, 10.0, 10.3):
            counts.looked(began + at)
        counts.close()
    with telling(tmp_path) as later:
        later.desk.open("door", ["a"], []).looked(began + 500)
        assert later.desk.history(Asked(0, 1e10)).gaps == [("door", *first), ("door", *second)]
        assert later.desk.history(Asked(began + 20, began + 30)).gaps == [("door", *second)]


def test_what_is_old_is_forgotten_while_the_daemon_runs(tmp_path, monkeypatch, synced):
    monkeypatch.setattr(desk, "EVERY_S", 0.02)
    monkeypatch.setattr(desk, "TIDY_S", 0.02)
    with telling(tmp_path) as teller:
        teller.desk.open("door", ["a"], [])
        until(lambda: len(teller.of("a")) > 3, "it has tidied")
        synced.append("unsynced")
        teller.cross(crossing(at=1000.0))
        teller.chronicle.put(Entry(lambda db: db.execute(OLD), lambda: None))
        known = len(teller.of("a"))
        until(lambda: len(teller.of("a")) > known + 3, "it has tidied again")
        assert len(teller.desk.history(Asked(0, 1e12)).rows) == 1, "nobody knows whether it is old"
        synced.append("synced")
        until(lambda: not teller.desk.history(Asked(0, 1e12)).rows, "forgotten")
        assert teller.of("a")[-1].in_ == 1, "totals stay"


OLD = "INSERT INTO crossings VALUES (NULL, 'door', 'a', 1000.0, 'in', 'person', 7)"


def test_history_by_local_hour(tmp_path):
    with telling(tmp_path, zone="Asia/Kathmandu") as teller:
        teller.desk.open("door", ["a", "b"], [])
        begin = teller.desk.calendar.seconds("2026-07-01T08:00")
        teller.cross(crossing(at=begin), crossing(at=begin + 3599), crossing("out", at=begin + 3600))
        teller.cross(crossing(line="b", at=begin - 1))
        found = teller.desk.history(Asked(begin, begin + 7200))
        assert [(r.at, r.line, r.came, r.left) for r in found.rows] == [
            (begin, "a", 2, 0),
            (begin + 3600, "a", 0, 1),
        ]
        assert [r.line for r in teller.desk.history(Asked(0, 1e12, line="b")).rows] == ["b"]
        with pytest.raises(NotFound, match="'yard'"):
            teller.desk.history(Asked(0, 1e12, stream="yard"))


def test_a_frame_that_is_looked_at_late_makes_no_gap(tmp_path):
    """While the worker looks at one frame the motion gate holds back those after it."""
    began = time.time() // 1
    with telling(tmp_path) as teller:
        counts = teller.desk.open("door", ["a"], [])
        for at in (0.0, 1.0, 2.0, 3.0, 0.2, 4.0, 4.2):
            counts.looked(began + at)
        assert teller.desk.history(Asked(0, 1e10)).gaps == []


def test_where_nothing_is_counted_there_are_no_gaps(tmp_path):
    began = time.time() // 1
    with telling(tmp_path) as teller:
        counts = teller.desk.open("door", [], [])
        for at in (0.0, 100.0):
            counts.looked(began + at)
        assert teller.desk.history(Asked(0, 1e10)).gaps == []
