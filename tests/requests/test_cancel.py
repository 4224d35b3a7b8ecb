"""A request that is cancelled is answered 499 once, wherever it is on its way."""

import threading
import time

import orjson

from edged.contracts.request import RequestJob
from edged.flow.counters import Counters
from edged.requests.queue import RequestQueue
from edged.requests.settings import RequestSettings
from tests.broker import until
from tests.requests.test_queue import JPEG, FakeInstance, table_with


def test_waiting_and_in_work():
    working, go_on = threading.Event(), threading.Event()

    def slow(item, run):
        working.set()
        assert go_on.wait(60)
        return FakeInstance().infer(item, None, run, None)

    queue = RequestQueue(table_with(FakeInstance(slow)), RequestSettings(), 1, Counters())
    answers = []
    for n in range(4):
        body = orjson.dumps({"image": JPEG, "request_id": f"r-{n}"})
        queue.submit(RequestJob("object-detection", body, time.monotonic(), answers.append))
    queue.start()
    assert working.wait(60)
    for request_id in ("r-0", "r-2", "r-2", "unheard of"):  # the first one is in work
        queue.cancel(request_id)
    go_on.set()
    until(lambda: len(answers) == 4)
    queue.stop()
    assert [(a.request_id, a.code) for a in answers] == [
        ("r-0", 499),
        ("r-1", 200),
        ("r-2", 499),
        ("r-3", 200),
    ]
    assert b"control/cancel" in answers[0].body


def test_between_two_steps_of_long_work():
    steps = []
    queue: RequestQueue

    def long(item, run):
        for n in range(5):
            run.check()
            steps.append(n)
            queue.cancel("r-1")
        raise AssertionError("it was not stopped")

    queue = RequestQueue(table_with(FakeInstance(long)), RequestSettings(), 1, Counters())
    answers = []
    body = orjson.dumps({"image": JPEG, "request_id": "r-1"})
    queue.submit(RequestJob("object-detection", body, time.monotonic(), answers.append))
    queue.start()
    until(lambda: answers)
    queue.stop()
    assert ([a.code for a in answers], steps) == ([499], [0])
