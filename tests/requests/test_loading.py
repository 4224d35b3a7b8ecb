"""While a service loads its requests wait, and nobody else waits for them."""

import math
import threading
import time

import orjson
import pytest

from edged.contracts.request import RequestJob
from edged.contracts.services import service
from edged.flow.counters import Counters
from edged.requests.queue import RequestQueue
from edged.requests.settings import RequestSettings
from edged.serving.table import Served, ServiceTable
from tests.broker import until
from tests.requests.test_queue import JPEG, OPTIONS, FakeInstance

LOADS, UP = "object-detection", "image-classification"


@pytest.fixture
def table():
    table = ServiceTable()
    table.load(LOADS)
    return table


@pytest.fixture
def ask(table):
    """Submits a request; gives the list that its answer will stand in."""
    queue = RequestQueue(table, RequestSettings(max_waiting=3), 1, Counters())
    queue.start()

    def submit(name=LOADS, patience_s=math.inf, **fields):
        answers, now = [], time.monotonic()
        body = orjson.dumps({"image": JPEG, **fields})
        queue.submit(RequestJob(name, body, now, answers.append, until=now + patience_s))
        return answers

    submit.queue = queue
    yield submit
    queue.stop()


def up(name=LOADS):
    return Served(service(name), FakeInstance(), OPTIONS)


def waiting(ask, count):
    return lambda: ask.queue.queued()["loading"] == count


def test_they_go_on_when_it_is_up(ask, table):
    first, second = ask(), ask()
    until(waiting(ask, 2))
    table.put(up())
    until(lambda: first and second)
    assert [answers[0].code for answers in (first, second)] == [200, 200]
    assert waiting(ask, 0)()


def test_they_hold_no_worker(ask, table):
    ask()
    until(waiting(ask, 1))
    failing = Served(service(UP), FakeInstance(lambda *_: 1 / 0), service(UP).options())
    table.put(failing)
    other = ask(UP)
    until(lambda: other)
    assert other[0].code == 500, "the only worker was free to try it"
    assert waiting(ask, 1)()


def test_when_it_cannot_be_opened_they_are_told_why(ask, table):
    answers = ask()
    until(waiting(ask, 1))
    table.withdraw(LOADS, "the model is not installed; run `edged pull picodet-416`")
    until(lambda: answers)
    assert answers[0].code == 503
    assert b"edged pull picodet-416" in answers[0].body


def test_when_nobody_wants_it_any_more_they_are_404(ask, table):
    answers = ask()
    until(waiting(ask, 1))
    table.withdraw(LOADS, None)
    until(lambda: answers)
    assert answers[0].code == 404


def test_at_the_deadline_they_are_504(ask):
    answers = ask(timeout_s=0.2)
    until(lambda: answers)
    assert answers[0].code == 504
    assert waiting(ask, 0)()


def test_who_asked_may_wait_less_than_the_request_says(ask):
    answers = ask(timeout_s=60, patience_s=0.2)
    until(lambda: answers, limit=30)
    assert answers[0].code == 504


def test_a_cancelled_one_is_499(ask):
    answers = ask(request_id="mine")
    until(waiting(ask, 1))
    ask.queue.cancel("mine")
    until(lambda: answers)
    assert answers[0].code == 499


def test_no_more_wait_than_in_any_queue(ask):
    answers = [ask() for _ in range(3)]
    until(waiting(ask, 3))
    fourth = ask()
    until(lambda: fourth)
    assert fourth[0].code == 429
    assert not any(answers)


def test_a_bad_one_need_not_wait(ask):
    answers = ask(score_threshold=7)
    until(lambda: answers)
    assert answers[0].code == 400


def test_one_that_comes_while_it_gets_ready_is_not_forgotten(table):
    """Between the look at the table and the waiting."""
    queue = RequestQueue(table, RequestSettings(), 1, Counters())
    put = queue._parked.put
    ready = threading.Event()

    def late(call):
        table.put(up())
        ready.set()
        put(call)

    queue._parked.put = late
    queue.start()
    answers = []
    try:
        body = orjson.dumps({"image": JPEG})
        queue.submit(RequestJob(LOADS, body, time.monotonic(), answers.append))
        until(lambda: answers)
    finally:
        queue.stop()
    assert answers[0].code == 200
