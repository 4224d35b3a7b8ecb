"""What was in work when the process died is known to the next one."""

import multiprocessing
import os
import signal
import threading
import time

import orjson
import pytest

from edged.contracts.request import RequestJob
from edged.contracts.services import service
from edged.flow.counters import Counters
from edged.requests.in_work import MOST, InWork
from edged.requests.queue import RequestQueue
from edged.requests.settings import RequestSettings
from edged.serving.table import Served, ServiceTable
from tests.broker import until
from tests.requests.test_queue import JPEG, OPTIONS, FakeInstance

NAME = "object-detection"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "in-work"


def test_who_was_in_work_when_it_died_is_known(path):
    before = InWork(path)
    before.begin(b"deadly")
    before.begin(b"waits")
    before.pause(b"waits")
    before.begin(b"done")
    before.end(b"done")
    after = InWork(path)
    assert [after.deaths(key) for key in (b"deadly", b"waits", b"done", b"other", None)] == [1, 0, 0, 0, 0]


def test_deaths_add_up_until_there_is_an_answer(path):
    for deaths in range(3):
        notes = InWork(path)
        assert notes.deaths(b"deadly") == deaths
        notes.begin(b"deadly")
    last = InWork(path)
    last.end(b"deadly")
    assert last.deaths(b"deadly") == 0
    assert InWork(path).deaths(b"deadly") == 0


def test_an_end_that_is_meant_blames_nobody_and_forgets_no_death(path):
    first = InWork(path)
    first.begin(b"deadly")
    second = InWork(path)
    second.begin(b"deadly")
    second.begin(b"innocent")
    second.close()
    third = InWork(path)
    assert (third.deaths(b"deadly"), third.deaths(b"innocent")) == (1, 0)


def test_it_survives_sigkill(path):
    def work():
        InWork(path).begin(b"deadly")
        os.kill(os.getpid(), signal.SIGKILL)

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join(30)
    assert process.exitcode == -signal.SIGKILL
    assert InWork(path).deaths(b"deadly") == 1
    assert path.stat().st_mode & 0o777 == 0o600


def test_more_than_it_can_note_are_worked_on_all_the_same(path):
    notes = InWork(path)
    for number in range(MOST + 10):
        notes.begin(b"%d" % number)
    notes.end(b"0")
    notes.begin(b"last")
    assert InWork(path).deaths(b"last") == 1


def test_where_nothing_can_be_written_it_is_said_and_nothing_is_known(tmp_path, caplog):
    (tmp_path / "file").touch()
    notes = InWork(tmp_path / "file" / "in-work")
    notes.begin(b"deadly")
    assert "is not known again" in caplog.text
    assert InWork(None).deaths(b"deadly") == 0


class Box:
    """A queue with two workers over one service, and what it did, in order."""

    def __init__(self, path, infer=None):
        self.done = []
        self._infer = infer or (lambda *_: None)
        table = ServiceTable()
        table.put(Served(service(NAME), FakeInstance(self._work), OPTIONS))
        self.counters = Counters()
        self.queue = RequestQueue(table, RequestSettings(), 2, self.counters, InWork(path))

    def _work(self, item, run):
        return self._infer(item, run) or FakeInstance().infer(item, OPTIONS, run, None)

    def ask(self, key, **fields):
        answers = []
        body = orjson.dumps({"image": JPEG, "request_id": key.decode(), **fields})
        reply = lambda answer: (answers.append(answer), self.done.append(key))  # noqa: E731
        self.queue.submit(RequestJob(NAME, body, time.monotonic(), reply, key=key))
        return answers


def died_at(path, *keys):
    notes = InWork(path)
    for key in keys:
        notes.begin(key)


def test_after_two_deaths_it_is_answered_and_not_tried(path):
    died_at(path, b"deadly")
    died_at(path, b"deadly")
    box = Box(path, lambda *_: pytest.fail("it was tried"))
    answers = box.ask(b"deadly")
    assert answers[0].code == 500
    assert b"died 2 times" in answers[0].body
    assert InWork(path).deaths(b"deadly") == 0


def test_a_suspect_is_tried_last_and_alone(path):
    died_at(path, b"suspect", b"other")
    at_once, most = [], []

    def infer(item, run):
        at_once.append(None)
        most.append(len(at_once))
        time.sleep(0.02)
        at_once.pop()

    box = Box(path, infer)
    suspects = box.ask(b"suspect"), box.ask(b"other")
    others = [box.ask(b"%d" % number) for number in range(6)]
    box.queue.start()
    until(lambda: len(box.done) == 8)
    box.queue.stop()
    assert [answers[0].code for answers in (*suspects, *others)] == [200] * 8
    assert box.done[-2:] == [b"suspect", b"other"]
    assert most[-2:] == [1, 1], "nothing beside it"
    assert max(most[:6]) == 2
    assert InWork(path).deaths(b"suspect") == 0


def test_a_worker_that_hangs_keeps_nobody_waiting_beyond_the_deadline(path):
    hang = threading.Event()
    box = Box(path, lambda *_: hang.wait(60) and None)
    box.queue.start()
    try:
        asked = [box.ask(b"%d" % number, timeout_s=0.3) for number in range(5)]
        until(lambda: all(asked))
        assert [answers[0].code for answers in asked] == [504] * 5, "three of them were never looked into"
        assert not box.queue.is_stuck(), "it may still come back"
        assert box.counters.counts()["requests_lost"] == {NAME: 2}
    finally:
        hang.set()
    until(lambda: box.counters.counts().get("answers_dropped"))
    box.queue.stop()
    assert [len(answers) for answers in asked] == [1] * 5, "what comes later is dropped"


def test_who_waits_unread_behind_workers_that_hang_is_answered_too(path, monkeypatch):
    monkeypatch.setattr("edged.requests.working.HUNG_S", 0.1)
    hang = threading.Event()
    box = Box(path, lambda *_: hang.wait(60) and None)
    box.queue.start()
    try:
        asked = [box.ask(b"%d" % number, timeout_s=0.4) for number in range(4)]
        until(lambda: all(asked))
        assert [answers[0].code for answers in asked] == [504] * 4
        until(box.queue.is_stuck)
        assert box.queue.state() == "2 of 2 workers hang"
    finally:
        hang.set()
        box.queue.stop()
