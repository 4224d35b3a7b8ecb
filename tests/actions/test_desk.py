"""From the book of events to the receivers, by the real file: over restarts, kills and full disks."""

import base64
import random
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from edged.actions.rows import ActionRows
from tests.actions.box import Box
from tests.actions.receivers import Desk, say
from tests.broker import free_port, until
from tests.e2e.box import ROOT


def test_what_happens_is_told_to_whom_it_names(tmp_path):
    with Desk() as desk, Desk() as other, Box(tmp_path, desk=desk.url, other=other.url) as box:
        box.happen("desk", zone="till", text="a secret")
        box.happen("desk", "other")
        box.happen()
        until(lambda: not any(box.waiting().values()) and len(other.took) == 1, "all told")
        assert box.actions.state() == "running"
        assert box.actions.queued() == {"actions/desk": 0, "actions/other": 0}
    assert [took.json["seq"] for took in desk.took] == [0, 1]
    assert [took.json["seq"] for took in other.took] == [1]
    assert (desk.took[0].json["zone"], desk.took[0].json["text"]) == ("till", None)
    assert len({took.headers["idempotency-key"] for took in desk.took}) == 2


def test_the_end_has_a_key_of_its_own(tmp_path):
    with Desk() as desk, Box(tmp_path, desk=desk.url) as box:
        box.happen("desk", phase="begin")
        box.happen("desk", phase="end", lasted=3.0, reason="over")
        until(lambda: len(desk.took) == 2, "both told")
    begin, end = desk.took
    assert begin.json["id"] == end.json["id"]
    assert begin.headers["idempotency-key"].replace("begin", "end") == end.headers["idempotency-key"]


def test_the_picture_that_is_shared(tmp_path):
    with Desk() as desk:
        shares = {"webhook": desk.url, "share": ["picture"]}
        with Box(tmp_path, lambda address: address.encode(), desk=shares) as box:
            box.happen("desk")
            until(lambda: desk.took, "told")
    assert base64.b64decode(desk.took[0].json["picture"]) == b"/artefacts/a.jpg"
    assert desk.took[0].json["snapshot"] == "/artefacts/a.jpg"


def test_why_one_fails_is_told_and_the_next_run_delivers(tmp_path):
    with Box(tmp_path, desk=f"http://127.0.0.1:{free_port()}/", gone="http://127.0.0.1:1/") as box:
        box.happen("desk", "gone")
        until(lambda: "desk: connection refused" in box.actions.state(), "why")
        assert box.actions.queued()["actions/desk"] == 1
        (tries, why) = box.chronicle.do(
            lambda db: db.execute("SELECT tries, why FROM actions WHERE action = 'desk'").fetchone()
        )
        assert tries >= 1 and why == "connection refused"
    with Desk() as desk, Box(tmp_path, desk=desk.url) as box:
        until(lambda: desk.took, "delivered by the next run")
        until(lambda: box.waiting() == {"desk": 0}, "and over")
        counts = box.counters.counts()
    assert counts["actions_dropped"] == {"the configuration has the action no more": 1}
    assert box.chronicle.do(lambda db: db.execute("SELECT COUNT(*) FROM actions").fetchone()) == (0,)
    box.chronicle.stop()


def test_who_cannot_be_reached_is_told_when_that_changes(tmp_path):
    with Desk(say(500), say(500), say(200)) as desk, Box(tmp_path, desk=desk.url, other=desk.url) as box:
        assert [one.kind for one in box.actions.reaches()] == ["webhook", "webhook"]
        box.happen("desk")
        until(lambda: box.waiting() == {"desk": 0, "other": 0}, "told at last")
        assert desk.url not in str(box.actions.reaches())
    assert [sorted(one) for one in box.reached] == [["desk", "other"]] * 2, "not at each try"
    assert ["500" in one["desk"] for one in box.reached] == [True, False]
    assert {one["other"] for one in box.reached} == {""}


def test_a_file_that_cannot_be_read_for_a_while_loses_none(tmp_path):
    with (
        Desk(say(500), say(200)) as desk,
        Box(tmp_path, desk={"webhook": desk.url, "at_most": "1/1h"}) as box,
    ):
        box.happen("desk")
        until(lambda: "500" in box.actions.state(), "the first try")
        rows = box.actions._rows
        asked: list[object] = []
        do, rows._do = rows._do, asked.append
        until(lambda: asked, "a look into a file that cannot be read")
        rows._do = do
        until(lambda: box.waiting() == {"desk": 0}, "told")
        assert len(desk.took) == 2
        assert box.counters.counts()["actions/desk"] == {"failed": 1, "delivered": 1}


def test_rows_tell_what_cannot_be_written():
    rows = ActionRows(lambda work: None)
    assert rows.due("desk") is None
    assert (rows.over(1), rows.failed(1, 0.0, "x"), rows.waiting(), rows.keep_only([])) == (
        False,
        False,
        {},
        0,
    )


@pytest.mark.slow
def test_each_message_arrives_whatever_is_killed_when(tmp_path):
    rng, made = random.Random(7), 0
    answers = [say(status) for status in (200, 500, 200, 503, 200, 408)] * 100
    with Desk(*answers) as desk:
        for _ in range(6):
            command = [sys.executable, "-m", "tests.actions.box", str(tmp_path), desk.url, str(made), "8"]
            with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
                assert process.stdout is not None and process.stdout.readline() == b"happened\n"
                made += 8
                time.sleep(rng.uniform(0, 0.3))
                process.send_signal(signal.SIGKILL)
        desk.answers = [say(200)]
        with Box(tmp_path, desk=desk.url) as box:
            until(lambda: box.waiting() == {"desk": 0}, "all delivered")
        by_key: dict[str, set[str]] = {}
        for took in desk.took:
            by_key.setdefault(took.headers["idempotency-key"], set()).add(took.json["class"])
        assert all(len(names) == 1 for names in by_key.values()), "a double is the same message"
        assert sorted(int(name) for (name,) in by_key.values()) == list(range(made)), "each came"
        with sqlite3.connect(tmp_path / "counts" / "counts.db") as db:
            assert db.execute("SELECT COUNT(*) FROM actions").fetchone() == (0,)
        db.close()
