"""The journal on a real disk."""

import os
import sqlite3
import subprocess
import sys
from dataclasses import replace

import pytest

from edged.contracts.errors import ConfigError
from edged.contracts.request import Answer
from edged.flow.counters import Counters
from edged.requests import layout, spool
from edged.requests.journal import KEPT_S, Addressed, Journal, Request
from edged.requests.layout import _STEPS, VERSION
from edged.requests.spool import Place, Spool

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


def test_a_request_whose_answer_could_not_be_written_is_done_when_it_has_arrived(journal):
    row = journal.ask(asked(), b"payload")
    journal.done([row])
    again(journal)
    assert (journal.asked(WORLD), journal.answered(WORLD)) == ([], [])
    assert len(journal.identities(WORLD)) == 1


def test_old_identities_are_forgotten(journal, monkeypatch):
    import time

    row = journal.answer(None, asked(), OUT)
    journal.purge()
    journal.done([row])
    journal.purge()
    assert len(journal.identities(WORLD)) == 1
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + KEPT_S + 1)
    journal.purge()
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


def test_a_folder_that_cannot_be_written_is_a_configuration_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"paths\.state"):
        Journal(tmp_path / "file", Counters()).open()


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


def test_a_step_that_fails_changes_nothing(journal, tmp_path, monkeypatch):
    row = journal.ask(asked(), b"payload")
    journal.close()
    broken = {VERSION: (VERSION + 1, "DELETE FROM requests; INSERT INTO nowhere VALUES (1);")}
    with monkeypatch.context() as patch:
        patch.setattr(layout, "VERSION", VERSION + 1)
        patch.setattr(layout, "_STEPS", broken)
        with pytest.raises(ConfigError, match="no such table: nowhere"):
            journal.open()
    journal.open()
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
    found = Spool(tmp_path, [])
    places = [found.write(bytes([n]) * 400) for n in range(9)]
    assert {place.segment for place in places} == {1, 2, 3}
    assert [found.read(place) for place in places] == [bytes([n]) * 400 for n in range(9)]
    for place in places[:3]:
        found.release(place.segment)
    assert not (tmp_path / "1").exists()
    for place in places[3:6]:
        found.release(place.segment)
    found.close()
    assert sorted(f.name for f in tmp_path.iterdir()) == ["3"]
    reopened = Spool(tmp_path, places[6:])
    assert reopened.read(places[8]) == bytes([8]) * 400
    assert reopened.write(b"new").segment == 4
    reopened.close()
    gone = Spool(tmp_path, [Place(4, 0, 3)])
    assert sorted(f.name for f in tmp_path.iterdir()) == ["4", "5"]
    gone.close()
