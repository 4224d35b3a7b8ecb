"""The way of one action's messages: in order, again until they arrive, no more than allowed, each alone."""

import logging
import threading
import time
from contextlib import contextmanager
from datetime import UTC

import pytest

from edged.actions.desk import receiver_of
from edged.actions.lane import ActionLane, Surface, pause_after
from edged.actions.parcel import parcel
from edged.actions.receiver import Undelivered
from edged.actions.rows import Due
from edged.actions.settings import ActionSettings
from edged.flow.counters import Counters
from tests.actions.receivers import Desk, Memory, event, numbers, say
from tests.broker import free_port, until

QUICK = 0.05


class Told:
    """A receiver of the tests; each delivery takes the next of `errors`."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.came = []
        self.left_out = []
        self.tries = []
        self.rested = 0

    def deliver(self, packed):
        self.tries.append(packed.message.seq)
        error = self.errors.pop(0) if self.errors else None
        if callable(error):
            error = error(packed)
        if error is not None:
            raise error
        self.came.append(packed.message.seq)
        self.left_out.append(packed.message.left_out)

    def rest(self):
        self.rested += 1

    def stop(self):
        """Nothing goes on."""


@pytest.fixture
def rows():
    return Memory()


@pytest.fixture
def counters():
    return Counters()


@pytest.fixture
def running(rows, counters):
    @contextmanager
    def run(receiver=None, name="desk", pause=lambda tries: QUICK, **settings):
        action = ActionSettings(**{"webhook": "http://127.0.0.1:1/", "at_most": "1000/1s", **settings})
        pack = lambda told, of, left_out: parcel(told, of.share, left_out, UTC, lambda address: None)  # noqa: E731
        lane = ActionLane(
            name, action, receiver or receiver_of(name, action), Surface(rows, pack, counters, pause=pause)
        )
        lane.start()
        yield lane
        lane.stop()
        lane.join(20)
        assert not lane._thread.is_alive()

    return run


def put(rows, lane, *seqs, made=None):
    for seq in seqs:
        rows.put(lane.name, event(seq), made)
    lane.wake()


def test_messages_come_in_order_and_are_gone_then(rows, running, counters):
    with Desk() as desk, running(webhook=desk.url) as lane:
        put(rows, lane, *range(5))
        until(lambda: not rows.rows, "all delivered")
    assert list(numbers(desk.took)) == [0, 1, 2, 3, 4]
    assert counters.counts()["actions/desk"] == {"delivered": 5}
    assert lane.why == ""


def test_one_that_fails_is_tried_again_in_its_turn(rows, running, counters):
    with Desk(say(500), say(503), say(200)) as desk, running(webhook=desk.url) as lane:
        put(rows, lane, 0, 1)
        until(lambda: not rows.rows, "both delivered")
    assert list(numbers(desk.took)) == [0, 0, 0, 1]
    assert len({took.headers["idempotency-key"] for took in desk.took[:3]}) == 1
    assert rows.whys == ["it answers 500 Internal Server Error", "it answers 503 Service Unavailable"]
    assert counters.counts()["actions/desk"] == {"failed": 2, "delivered": 2}


def test_why_it_fails_is_told_until_it_works(rows, running, caplog):
    with running(webhook=f"http://127.0.0.1:{free_port()}/") as lane:
        put(rows, lane, 0)
        until(lambda: len(rows.whys) >= 3, "three tries")
        assert lane.why == "connection refused"
        assert rows.waiting() == {"desk": 1}
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING] == [
        "action desk: connection refused"
    ], "once"


def test_what_cannot_be_mended_is_given_up_at_once_and_the_next_one_sent(rows, running, counters):
    with Desk(say(404), say(200)) as desk, running(webhook=desk.url) as lane:
        put(rows, lane, 0, 1)
        until(lambda: not rows.rows, "both settled")
        until(lambda: not lane.why, "all is well")
    assert list(numbers(desk.took)) == [0, 1]
    assert counters.counts()["actions/desk"] == {"failed": 1, "given up": 1, "delivered": 1}


def test_what_is_too_old_is_given_up(rows, running, counters, monkeypatch):
    monkeypatch.setattr("edged.actions.order.clock_state", lambda: "synced")
    with running(Told(*[Undelivered("down")] * 1000), give_up="1s") as lane:
        put(rows, lane, 0)
        until(lambda: not rows.rows, "given up")
    assert counters.counts()["actions/desk"]["given up"] == 1
    receiver = Told()
    with running(receiver, give_up="1h") as lane:
        put(rows, lane, 1, made=time.time() - 3700)
        put(rows, lane, 2, made=time.time() - 3500)
        until(lambda: not rows.rows, "both settled")
    assert receiver.came == [2]


def test_a_message_that_its_receiver_cannot_bear_lets_others_by(rows, running):
    def poison(packed):
        return Undelivered("500") if packed.message.seq == 0 else None

    receiver = Told(*[poison] * 10_000)
    with running(receiver, pause=lambda tries: 0.01 if tries < 3 else 0.2) as lane:
        put(rows, lane, 0, *range(1, 6))
        until(lambda: len(receiver.came) == 5, "the others")
        assert rows.waiting() == {"desk": 1}, "and it still waits"
    assert receiver.came == [1, 2, 3, 4, 5]
    assert receiver.tries[:3] == [0, 0, 0]


def test_a_pause_that_the_receiver_asks_for_is_kept(rows, running):
    receiver = Told(Undelivered("429", after_s=0.7))
    with running(receiver) as lane:
        began = time.monotonic()
        put(rows, lane, 0)
        until(lambda: receiver.came, "delivered")
    assert time.monotonic() - began >= 0.7


def test_pauses_grow_to_five_minutes():
    assert [pause_after(n) for n in (1, 2, 3, 9, 10, 10_000)] == [1, 2, 4, 256, 300, 300]


def test_what_is_over_at_most_is_left_out_and_told_with_the_next(rows, running, counters):
    receiver, now = Told(), time.time()
    with running(receiver, at_most="3/1m") as lane:
        for seq in range(8):
            put(rows, lane, seq, made=now - 100 + seq)
        put(rows, lane, 8, made=now - 10)
        until(lambda: len(rows.rows) == 1, "all but one settled")
        assert receiver.came == [0, 1, 2]
        lane._sent._times.clear()  # a minute later
        lane.wake()
        until(lambda: not rows.rows, "the last one")
    assert receiver.came == [0, 1, 2, 8]
    assert receiver.left_out == [0, 0, 0, 5]
    assert counters.counts()["actions/desk"] == {"delivered": 4, "left out": 5}


def test_what_waited_comes_no_faster_than_at_most(rows, running):
    receiver, now = Told(), time.time()
    with running(receiver, at_most="2/1s") as lane:
        began = time.monotonic()
        for seq in range(5):
            put(rows, lane, seq, made=now - 100 + 10 * seq)
        until(lambda: not rows.rows, "all delivered")
    assert receiver.came == [0, 1, 2, 3, 4], "none is left out: they were made slowly"
    assert time.monotonic() - began >= 1.9


def test_a_full_disk_makes_no_double(rows, running):
    receiver = Told()
    with running(receiver) as lane:
        rows.full = True
        put(rows, lane, 0, 1)
        until(lambda: len(receiver.came) == 2, "both delivered")
        lane.wake()
        until(lambda: not lane._wake.is_set(), "another turn")
        rows.full = False
        lane.wake()
        until(lambda: not rows.rows, "settled")
    assert receiver.came == [0, 1]


def test_a_dead_receiver_delays_no_other(rows, running):
    with Desk() as desk:
        desk.answers = [desk.hang]
        living = Told()
        with running(webhook=desk.url, timeout=30) as dead, running(living, "phone") as lane:
            put(rows, dead, 0)
            until(lambda: desk.took, "it hangs")
            began = time.monotonic()
            put(rows, lane, 1, 2, 3)
            until(lambda: len(living.came) == 3, "the others")
            assert time.monotonic() - began < 10
            before = dead.beat()
            until(lambda: dead.beat() > before, "waiting is no death")
            began = time.monotonic()
        assert time.monotonic() - began < 20, "nor does it delay the end"
    assert rows.waiting() == {"desk": 1}, "what was broken off waits for the next run"


def test_what_nobody_foresaw_ends_no_lane(rows, running, caplog):
    def broken(packed):
        raise ZeroDivisionError("a secret")

    receiver = Told(broken)
    with running(receiver) as lane:
        put(rows, lane, 0)
        until(lambda: receiver.came, "delivered all the same")
    assert rows.whys == ["it fails with ZeroDivisionError"]
    assert "a secret" not in caplog.text


def test_an_event_of_another_version_is_given_up(rows, running, counters):
    with running(Told()) as lane:
        rows.rows[9] = lane.name, Due(9, b'{"schema": "edged/event/9"}', None, 0)
        lane.wake()
        until(lambda: not rows.rows, "given up")
    assert counters.counts()["actions/desk"] == {"failed": 1, "given up": 1}


def test_a_receiver_rests_when_there_is_nothing_to_do(rows, running, monkeypatch):
    monkeypatch.setattr("edged.actions.lane.IDLE_S", 0.1)
    receiver = Told()
    with running(receiver) as lane:
        until(lambda: receiver.rested, "a rest")
        put(rows, lane, 0)
        until(lambda: receiver.came, "and delivers again")


def test_many_at_once_from_several_threads(rows, running):
    receiver = Told()
    with running(receiver, at_most="10000/1s") as lane:
        threads = [
            threading.Thread(target=put, args=(rows, lane, *range(n, n + 100))) for n in range(0, 400, 100)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        until(lambda: not rows.rows, "all delivered")
    assert sorted(receiver.came) == list(range(400))
