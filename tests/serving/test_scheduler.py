"""Workers and lanes: order, fairness, survival."""

import threading
import time

import pytest

from edged.flow.counters import Counters
from edged.flow.mailbox import Fifo, Latest
from edged.flow.pulse import beat
from edged.serving.scheduler import Scheduler
from tests.broker import until


@pytest.fixture
def scheduler():
    counters = Counters()
    made = Scheduler("test", 2, counters)
    made.counters = counters
    yield made
    made.stop()


def test_a_lane_with_limit_1_keeps_order(scheduler):
    box, seen = Fifo[int](1000, 10**6), []
    scheduler.add("lane", box, seen.append)
    scheduler.start()
    for value in range(300):
        box.put(value, 1)
    until(lambda: len(seen) == 300)
    assert seen == list(range(300))


def test_a_busy_lane_does_not_starve_another():
    scheduler = Scheduler("one", 1, Counters())
    busy, quiet, seen = Fifo[int](10_000, 10**6), Fifo[int](100, 10**6), []

    def slow(value):
        time.sleep(0.002)
        seen.append("busy")

    scheduler.add("busy", busy, slow)
    scheduler.add("quiet", quiet, lambda value: seen.append("quiet"))
    for value in range(200):
        busy.put(value, 1)
    for value in range(20):
        quiet.put(value, 1)
    scheduler.start()
    until(lambda: seen.count("quiet") == 20)
    scheduler.stop()
    while seen[-1] == "busy":  # those after the last of the others
        seen.pop()
    assert seen.count("busy") < 30, "the lane that used the least time goes first"


def test_a_work_that_raises_is_counted_and_survived(scheduler):
    box, seen = Fifo[int](100, 100), []

    def work(value):
        if value == 1:
            raise RuntimeError("a defect in a route")
        seen.append(value)

    scheduler.add("lane", box, work)
    scheduler.start()
    for value in range(4):
        box.put(value, 1)
    until(lambda: seen == [0, 2, 3])
    assert scheduler.counters.counts() == {"worker_errors": {"test": 1}}
    assert scheduler.state() == "running"


def test_remove_waits_for_what_is_in_work(scheduler):
    entered, leave, done = threading.Event(), threading.Event(), []

    def work(value):
        entered.set()
        leave.wait(60)
        done.append(value)

    box = Latest[int]()
    scheduler.add("lane", box, work)
    scheduler.start()
    box.put(1)
    assert entered.wait(60)
    threading.Timer(0.05, leave.set).start()
    scheduler.remove("lane")
    assert done == [1]
    box.put(2)
    assert len(box) == 1, "nobody takes from a lane that was removed"


def test_the_beat_tells_of_a_worker_that_hangs(scheduler):
    entered, leave = threading.Event(), threading.Event()
    box = Latest[int]()
    scheduler.add("lane", box, lambda _: (entered.set(), leave.wait(60)))
    scheduler.start()
    before = time.monotonic()
    box.put(1)
    assert entered.wait(60)
    stuck = scheduler.beat()
    assert before <= stuck <= time.monotonic()
    assert scheduler.beat() == stuck
    leave.set()
    until(lambda: scheduler.beat() > stuck)


def test_long_work_that_gives_signs_of_life_does_not_hang(scheduler):
    told, leave = threading.Event(), threading.Event()
    again = threading.Event()

    def work(_):
        told.set()
        assert again.wait(60)
        beat()
        told.set()
        leave.wait(60)

    box = Latest[int]()
    scheduler.add("lane", box, work)
    scheduler.start()
    box.put(1)
    assert told.wait(60)
    begun = scheduler.beat()
    told.clear()
    again.set()
    assert told.wait(60)
    assert scheduler.beat() > begun
    leave.set()


def test_a_lane_that_is_served_alone_comes_last_and_has_all_workers_wait(scheduler):
    alone, others, seen, at_once = Fifo[str](9, 99), Fifo[str](9, 99), [], []
    count = threading.Semaphore(9)

    def work(name):
        count.acquire()
        at_once.append((name, 9 - count._value))
        time.sleep(0.01)
        count.release()
        seen.append(name)

    for number in range(6):
        others.put(f"other {number}", 1)
    alone.put("alone 0", 1)
    alone.put("alone 1", 1)
    scheduler.add("alone", alone, work, alone=True)
    scheduler.add("others", others, work, limit=2)
    scheduler.start()
    until(lambda: len(seen) == 8)
    assert seen[-2:] == ["alone 0", "alone 1"]
    assert [busy for name, busy in at_once if name.startswith("alone")] == [1, 1]


def test_a_worker_is_begun_when_there_is_work_for_it():
    many = Scheduler("many", 8, Counters())
    box: Fifo[int] = Fifo(100, 100)
    begun, go_on = [], threading.Event()

    def work(item: int) -> None:
        begun.append(item)
        go_on.wait(30)

    def workers() -> int:
        return sum(thread.name.startswith("many-") for thread in threading.enumerate())

    for item in range(3):
        box.put(item, 0)
    many.add("lane", box, work, limit=8)
    many.start()
    until(lambda: len(begun) == 3)
    assert workers() == 3
    box.put(3, 0)
    until(lambda: len(begun) == 4)
    go_on.set()
    until(lambda: not box and not many._busy_since)
    box.put(4, 0)
    until(lambda: len(begun) == 5)
    assert workers() == 4
    for item in range(5, 50):
        box.put(item, 0)
    until(lambda: len(begun) == 50)
    assert workers() <= 8
    many.stop()
    assert workers() == 0
