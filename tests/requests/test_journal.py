"""The journal on a real disk."""

import contextlib
import os
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from itertools import count

import pytest

from edged.contracts.request import Answer
from edged.flow import clock
from edged.flow.counters import Counters
from edged.requests import layout, spool
from edged.requests.disk import Disk
from edged.requests.journal import KEPT_S, Addressed, Journal, Request
from edged.requests.layout import _STEPS, VERSION
from edged.requests.spool import Place, Spool
from tests.broker import until

OUT = Addressed(b"to/reply", Answer("r1", b"{}", 200, "m"), "ocr")

WORLD = "mqtt"


def asked(n: int = 0) -> Request:
    return Request(bytes([n]) * 16, "ocr", WORLD, b"reply", 1000.0 + n)


@pytest.fixture
def journal(tmp_path):
    found = Journal(tmp_path, Counters())
    found.open()
    yield found
    found.close()


def again(journal: Journal) -> None:
    journal.close()
    journal.open()


def test_a_request_stays_until_it_is_answered_and_the_answer_until_it_has_arrived(journal):
    row = journal.ask(asked(), b"payload")
    again(journal)
    assert journal.asked(WORLD) == [(row, asked())]
    assert journal.payload(row) == b"payload"
    assert journal.answer(row, asked(), OUT) == row
    again(journal)
    assert journal.asked(WORLD) == []
    assert journal.answered(WORLD) == [row]
    assert journal.answer_of(row) == OUT
    journal.done([row])
    again(journal)
    assert journal.answered(WORLD) == []
    assert journal.answer_of(row) is None
    assert journal.identities(WORLD) == [(asked().identity, OUT.reply)]


def test_an_answer_without_a_journalled_request_is_kept(journal):
    row = journal.answer(None, asked(), OUT)
    assert journal.answered(WORLD) == [row]


def test_an_answer_keeps_the_address_of_its_artefact(journal):
    out = Addressed(b"to/reply", Answer("r1", b"{}", 200, "m", artefact="/artefacts/x.mp4"), "ocr")
    rows = [
        journal.answer(journal.ask(asked(), b"payload"), asked(), out),
        journal.answer(None, asked(1), out),
    ]
    again(journal)
    assert [journal.answer_of(row) for row in rows] == [out, out]


def test_a_request_whose_answer_could_not_be_written_is_done_when_it_has_arrived(journal):
    row = journal.ask(asked(), b"payload")
    journal.done([row])
    again(journal)
    assert (journal.asked(WORLD), journal.answered(WORLD)) == ([], [])
    assert len(journal.identities(WORLD)) == 1


def test_old_identities_are_forgotten(journal, monkeypatch):
    row = journal.answer(None, asked(), OUT)
    journal.tend()
    journal.done([row])
    journal.tend()
    assert len(journal.identities(WORLD)) == 1
    now = clock.ticks()
    monkeypatch.setattr(clock, "ticks", lambda: now + KEPT_S + 1)
    journal.tend()
    assert journal.identities(WORLD) == []


def test_order_is_that_of_arrival(journal):
    rows = [journal.ask(asked(n), b"%d" % n) for n in range(20)]
    again(journal)
    assert [row for row, _ in journal.asked(WORLD)] == rows
    assert [journal.payload(row) for row in rows] == [b"%d" % n for n in range(20)]


def test_a_closed_journal_does_nothing(journal):
    journal.close()
    assert journal.ask(asked(), b"x") is None
    assert journal.asked(WORLD) == []
    journal.done([1])


def test_a_payload_that_did_not_survive_is_none(journal, tmp_path):
    row = journal.ask(asked(), b"x" * 1000)
    (file,) = (f for f in (tmp_path / "spool").iterdir() if f.stat().st_size)
    os.truncate(file, 500)
    assert journal.payload(row) is None


def test_a_full_disk_is_counted_and_said_once_and_gets_well_again(tmp_path, caplog, monkeypatch):
    counters = Counters()
    journal = Journal(tmp_path, counters)
    journal.open()

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        assert [journal.ask(asked(n), b"x") for n in range(3)] == [None] * 3
    assert counters.counts()["journal_failures"] == {"[Errno 28] No space left on device": 3}
    assert sum("fails" in line for line in caplog.messages) == 1
    row = journal.ask(asked(), b"x")
    assert row is not None
    assert journal.payload(row) == b"x"
    assert "can be written again" in caplog.text
    journal.close()


def test_two_daemons_cannot_share_a_state_folder(journal, tmp_path):
    script = (
        "import sys; from pathlib import Path\n"
        "from edged.requests.journal import Journal; from edged.flow.counters import Counters\n"
        "Journal(Path(sys.argv[1]), Counters()).open()"
    )
    journal.ask(asked(), b"x")
    found = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )  # fmt: skip
    assert "does another edged use this folder?" in found.stderr


def test_a_folder_that_cannot_be_written_is_said_and_used_as_soon_as_it_can_be(tmp_path, caplog):
    folder = tmp_path / "folder"
    kept = Journal(folder, Counters())
    kept.open()
    row = kept.ask(asked(), b"payload")
    late = kept.answer(None, asked(1), OUT)
    kept.close()
    folder.rename(tmp_path / "away")
    folder.write_text("no folder")
    journal = Journal(folder, Counters())
    journal.open()
    assert journal.kept().startswith("memory: [Errno ")
    assert "requests are still served" in caplog.text
    assert journal.ask(asked(2), b"x") is None
    told = []
    journal.reopened = lambda: told.append((journal.left(WORLD), journal.left_answered(WORLD)))
    journal.tend()
    assert told == []
    folder.unlink()
    (tmp_path / "away").rename(folder)
    journal.tend()
    assert told == [([(row, asked())], [late])]
    assert journal.kept() == "process"
    assert "can be written again" in caplog.text
    assert journal.ask(asked(3), b"y") is not None
    assert journal.left(WORLD) == [(row, asked())], "that of this run is no leftover"
    journal.close()


@pytest.mark.parametrize("damage", ["garbage", "torn"])
def test_a_damaged_file_is_set_aside(tmp_path, damage, caplog):
    counters = Counters()
    journal = Journal(tmp_path, counters)
    journal.open()
    for n in range(100):
        journal.ask(asked(n), b"x")
    journal.close()
    file = tmp_path / "requests.db"
    if damage == "garbage":
        file.write_bytes(b"no database" * 1000)
    else:
        size = file.stat().st_size
        with file.open("r+b") as opened:
            opened.seek(4096)
            opened.write(os.urandom(size - 4096))
    journal.open()
    assert journal.asked(WORLD) == []
    assert journal.ask(asked(), b"x") is not None
    (aside,) = tmp_path.glob("damaged-*")
    assert sorted(f.name for f in aside.iterdir()) == ["requests.db", "spool"]
    assert counters.counts()["journal_failures"] == {"damaged": 1}
    assert "the journal is damaged" in caplog.text
    journal.close()


def test_the_journal_of_a_newer_edged_is_set_aside_whole_and_that_is_told(tmp_path, caplog):
    counters = Counters()
    journal = Journal(tmp_path, counters)
    journal.open()
    row = journal.ask(asked(), b"payload")
    journal.close()
    _set_version(tmp_path / "requests.db", VERSION + 1)
    journal.open()
    assert journal.asked(WORLD) == []
    assert journal.ask(asked(1), b"x") is not None
    journal.close()
    assert f"its layout is {VERSION + 1}, this one knows {VERSION}" in caplog.text
    assert counters.counts()["journal_failures"] == {"newer": 1}
    (aside,) = tmp_path.glob("newer-*")
    _set_version(aside / "requests.db", VERSION)  # as the newer edged would find it again
    kept = Journal(aside, Counters())
    kept.open()
    assert kept.asked(WORLD) == [(row, asked())]
    assert kept.payload(row) == b"payload"
    kept.close()


def test_there_is_a_step_from_every_layout_to_the_newest():
    for version in range(VERSION):
        following, _ = _STEPS[version]
        assert version < following <= VERSION
    assert set(_STEPS) == set(range(VERSION))


LAYOUT_2 = """
CREATE TABLE requests (
    id INTEGER PRIMARY KEY, identity BLOB, service TEXT, world TEXT, reply BLOB, received REAL,
    segment INTEGER, offset INTEGER, length INTEGER,
    request_id TEXT, code INTEGER, model TEXT, body BLOB, answered REAL);
INSERT INTO requests VALUES
    (4, X'00', 'ocr', 'mqtt', X'72', 1000.0, NULL, 0, 1, 'r', 200, 'm', X'7B7D', 1001.0),
    (5, X'01', 'ocr', 'mqtt', X'73', 1002.0, 7, 3, 5, NULL, NULL, NULL, NULL, NULL);
PRAGMA user_version = 2;
"""
"""As the release before wrote it: an answer that has not arrived, and a request that waits."""


def test_the_journal_of_the_last_release_is_taken_over(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(clock, "state", lambda: "synced")
    caplog.set_level("INFO")
    with contextlib.closing(sqlite3.connect(tmp_path / "requests.db")) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(LAYOUT_2)
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "7").write_bytes(b"...hello")
    journal = Journal(tmp_path, Counters())
    journal.open()
    assert caplog.text.count("the journal of an earlier edged is taken over") == 1
    assert journal.left(WORLD) == [(5, Request(b"\1", "ocr", WORLD, b"s", 1002.0))]
    assert journal.payload(5) == b"hello"
    assert journal.waited(5) > 1e6, "by the wall clock: that release wrote no other"
    assert journal.left_answered(WORLD) == [4]
    assert journal.answer_of(4) == Addressed(b"r", Answer("r", b"{}", 200, "m"), "ocr")
    journal.ask(asked(2), b"new")
    assert sorted(f.name for f in (tmp_path / "spool").iterdir()) == ["7", "8"]
    journal.close()


def test_a_step_that_fails_changes_nothing(journal, tmp_path, monkeypatch):
    row = journal.ask(asked(), b"payload")
    journal.close()
    broken = {VERSION: (VERSION + 1, "DELETE FROM requests; INSERT INTO nowhere VALUES (1);")}
    with monkeypatch.context() as patch:
        patch.setattr(layout, "VERSION", VERSION + 1)
        patch.setattr(layout, "_STEPS", broken)
        journal.open()
        assert journal.kept() == "memory: no such table: nowhere"
    journal.tend()
    assert journal.asked(WORLD) == [(row, asked())]


def test_each_outside_world_finds_its_own(journal):
    mine = journal.ask(asked(), b"x")
    other = replace(asked(1), world="http")
    others = journal.ask(other, b"y")
    assert journal.asked("http") == [(others, other)]
    journal.answer(others, other, OUT)
    assert journal.answered("http") == [others]
    assert (journal.answered(WORLD), journal.asked(WORLD)) == ([], [(mine, asked())])


def _set_version(file, version):
    db = sqlite3.connect(file)
    db.execute(f"PRAGMA user_version = {version}")
    db.close()


def test_the_spool_deletes_what_nobody_needs(tmp_path, monkeypatch):
    monkeypatch.setattr(spool, "SEGMENT_BYTES", 1000)
    numbers = count(1)
    found = Spool(tmp_path, [], numbers.__next__, Disk(Counters()), syncs=False)
    places = [found.write(bytes([n]) * 400, b"") for n in range(9)]
    assert {place.segment for place in places} == {1, 2, 3}
    assert [found.read(place, b"") for place in places] == [bytes([n]) * 400 for n in range(9)]
    for place in places[:3]:
        found.release(place.segment)
    assert not (tmp_path / "1").exists()
    for place in places[3:6]:
        found.release(place.segment)
    found.finish()
    assert sorted(f.name for f in tmp_path.iterdir()) == ["3"]
    reopened = Spool(tmp_path, places[6:], numbers.__next__, Disk(Counters()), syncs=False)
    assert reopened.read(places[8], b"") == bytes([8]) * 400
    assert reopened.write(b"new", b"").segment == 4
    reopened.finish()
    Spool(tmp_path, [Place(4, 0, 3, None)], numbers.__next__, Disk(Counters()), syncs=False)
    assert sorted(f.name for f in tmp_path.iterdir()) == ["4"]


def test_a_lost_segment_is_never_taken_for_another(journal, tmp_path):
    row = journal.ask(asked(), b"first picture")
    journal.close()
    for segment in (tmp_path / "spool").iterdir():
        segment.unlink()  # as a power cut does with a file whose name was not synced
    journal.open()
    other = journal.ask(asked(1), b"other picture")
    assert journal.payload(row) is None, "not the other's, which has the same length"
    assert journal.payload(other) == b"other picture"


def test_the_number_of_a_segment_that_nobody_names_any_more_does_not_come_back(journal, tmp_path):
    seen = set()
    for n in range(4):
        journal.done([journal.ask(asked(n), b"x")])
        seen |= {path.name for path in (tmp_path / "spool").iterdir()}
        again(journal)
        assert list((tmp_path / "spool").iterdir()) == []
    assert len(seen) == 4


@pytest.mark.parametrize("at", [0, 500, 999])
def test_a_payload_that_the_disk_changed_is_none(journal, tmp_path, at):
    row = journal.ask(asked(), b"x" * 1000)
    (file,) = (tmp_path / "spool").iterdir()
    with file.open("r+b") as opened:
        opened.seek(at)
        opened.write(b"y")
    assert journal.payload(row) is None


def test_only_we_may_read_what_clients_sent(tmp_path):
    folder = tmp_path / "mqtt"
    folder.mkdir(mode=0o755)
    (folder / "requests.db").touch(mode=0o644)
    found = Journal(folder, Counters())
    found.open()
    found.ask(asked(), b"x")
    rights = {path.name: path.stat().st_mode & 0o777 for path in [folder, *folder.rglob("*")]}
    assert {mode for name, mode in rights.items() if name in ("mqtt", "spool")} == {0o700}
    assert {name: mode for name, mode in rights.items() if name not in ("mqtt", "spool")} == {
        "requests.db": 0o600, "requests.db-wal": 0o600, "1": 0o600,
    }  # fmt: skip
    found.close()


def test_answered_pictures_are_gone_soon(journal, tmp_path, monkeypatch):
    waits = journal.ask(asked(), b"waits")
    row = journal.ask(asked(1), b"picture")
    journal.answer(row, asked(1), OUT)
    journal.tend()
    assert len(list((tmp_path / "spool").iterdir())) == 1, "another one of the segment still waits"
    monkeypatch.setattr(spool, "SEGMENT_S", 0.0)
    journal.tend()
    monkeypatch.undo()
    later = journal.ask(asked(2), b"begins a new segment")
    journal.answer(waits, asked(), OUT)
    assert [path.read_bytes() for path in (tmp_path / "spool").iterdir()] == [b"begins a new segment"]
    journal.answer(later, asked(2), OUT)
    journal.tend()
    assert list((tmp_path / "spool").iterdir()) == []


def test_memory_writes_nothing_but_works_off_what_is_there(tmp_path):
    kept = Journal(tmp_path / "kept", Counters())
    kept.open()
    row = kept.ask(asked(), b"payload")
    kept.close()
    for folder in ("kept", "new"):
        journal = Journal(tmp_path / folder, Counters(), "memory")
        journal.open()
        assert journal.ask(asked(1), b"x") is None
        assert journal.answer(None, asked(1), OUT) is None
        assert journal.kept() == "memory"
        if folder == "kept":
            assert journal.left(WORLD) == [(row, asked())]
            assert journal.answer(row, asked(), OUT) == row
        journal.close()
    assert not (tmp_path / "new").exists()


def test_bytes_and_syncs_are_counted(tmp_path):
    counters = Counters()
    journal = Journal(tmp_path, counters, "power")
    journal.open()
    told = threading.Event()
    journal.ask(asked(), b"x" * 1000)
    journal.once_kept(told.set)
    assert told.wait(60)
    journal.close()
    counts = counters.counts()
    assert counts["journal_bytes"]["payloads"] == 1000
    assert counts["journal_bytes"]["table"] > 4096
    assert counts["journal_syncs"] == {"files": 5, "folders": 3}


def test_after_a_failed_sync_nobody_is_told_and_all_is_written_anew(tmp_path, caplog):
    class Failing(Disk):
        fails = False

        def sync(self, path):
            if self.fails:
                raise OSError(5, "Input/output error")
            super().sync(path)

    disk = Failing(Counters())
    journal = Journal(tmp_path, Counters(), "power", disk)
    journal.open()
    told = []
    disk.fails = True
    row = journal.ask(asked(), b"x")
    journal.once_kept(lambda: told.append("first"))
    until(lambda: journal.kept() == "memory: [Errno 5] Input/output error")
    disk.fails = False
    synced = threading.Event()
    journal.ask(asked(1), b"y")
    journal.once_kept(synced.set)
    assert synced.wait(60)
    assert told == []
    journal.ask(asked(2), b"z")
    assert journal.kept() == "power"
    assert journal.payload(row) == b"x"
    journal.close()
