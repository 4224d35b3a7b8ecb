"""The witness of a stream: looks in one order, with two clocks, and what comes of them put down together."""

import threading
import time
from types import SimpleNamespace

import pytest

from edged.events.happening import Happening, Standing
from edged.events.look import Moved, Reached, Read, Still
from edged.flow import clock
from edged.ops.movements import Crossing, Entered
from edged.streams.noticing import Interest
from edged.streams.witness import LONGEST_AGE_S, STILL_S, Witness, as_captured
from tests.broker import until
from tests.streams.test_noticing import finding, frame, outcome

NOW = 1_795_422_600.0
CROSSING = Crossing("entrance", "in", 7, "person", NOW - 0.5)


class Court:
    """Judges nothing by itself: gives what it is told to, and remembers all."""

    def __init__(self):
        self.looks, self.ticks, self.closed, self.book, self.stood = [], [], [], [], []
        self.gives, self.now = [], {"queue": Standing(False, None)}

    def step(self, look):
        self.looks.append(look)
        return list(self.gives)

    def tick(self, ticks, at):
        self.ticks.append((ticks, at))
        return []

    def close(self, why, ticks):
        reason = why("rule", "queue")
        self.closed.append((reason, ticks))
        self.now = {"queue": Standing(None, None)}
        return [Happening("rule", "end", "rule/queue", NOW, 3.0, rule="queue", reason=reason)]

    def standings(self):
        return self.now


class Book:
    """Remembers what is put down."""

    def __init__(self):
        self.put_down, self.stood, self.is_closed = [], [], False

    def put(self, passages, happenings):
        self.put_down.append((list(passages), list(happenings)))

    def standings(self, rules):
        self.stood.append(dict(rules))

    def close(self):
        self.is_closed = True


@pytest.fixture
def court():
    return Court()


@pytest.fixture
def book():
    return Book()


@pytest.fixture
def witness(court, book, monkeypatch):
    monkeypatch.setattr("edged.flow.clock.state", lambda: "synced")
    return Witness(court, book, Interest(texts=True))


BEGIN = Happening("rule", "begin", "rule/queue", NOW, rule="queue")


def test_crossings_and_what_happens_are_put_down_together(witness, court, book):
    court.gives = [BEGIN]
    witness.moved(time.time(), Moved([Entered("till", 7, "person", NOW), CROSSING]))
    [([passage], happenings)] = book.put_down
    assert (passage.line, passage.direction, passage.track, passage.at) == ("entrance", "in", 7, NOW - 0.5)
    assert happenings == [BEGIN]
    court.gives = []
    witness.moved(time.time(), Moved())
    assert len(book.put_down) == 1, "nothing is put down where nothing happens"


def test_durations_count_by_the_clock_that_nobody_sets_and_from_the_capture(witness):
    before, captured_at = clock.ticks(), time.time() - 2
    ticks, at = as_captured(captured_at)
    assert before - 2.1 < ticks < clock.ticks() - 1.9
    assert at == captured_at


@pytest.mark.parametrize("off", [3600, -3600, LONGEST_AGE_S + 1])
def test_a_clock_that_is_set_while_a_model_works_moves_no_duration(off):
    ticks, _ = as_captured(time.time() - off)
    assert clock.ticks() - ticks == pytest.approx(0, abs=0.5)


def test_while_nobody_has_set_the_clock_there_are_no_times(court, book, monkeypatch):
    monkeypatch.setattr("edged.flow.clock.state", lambda: "unsynced")
    witness = Witness(court, book, Interest())
    witness.moved(time.time(), Moved([CROSSING]))
    assert court.looks[0].at is None
    [([passage], _)] = book.put_down
    assert passage.at is None


def test_standings_are_told_when_they_change(witness, court, book):
    witness.tick()
    witness.tick()
    assert book.stood == [{"queue": Standing(False, None)}]
    court.gives, court.now = [BEGIN], {"queue": Standing(True, NOW)}
    witness.moved(time.time(), Moved())
    assert book.stood[-1] == {"queue": Standing(True, NOW)}
    assert court.ticks[0][0] == pytest.approx(clock.ticks(), abs=5)


def test_of_a_camera_at_rest_not_each_picture_is_told(witness, court):
    at = time.time()
    for _ in range(300):
        at += 1 / 30
        witness.still(at)
    assert len(court.looks) == pytest.approx(10 / STILL_S, abs=8)
    assert {look.what for look in court.looks} == {Still()}
    witness.still(at - 3600)
    assert len(court.looks) > 10 / STILL_S - 8, "a clock that is set back holds nothing up"


def test_the_source_is_told_when_it_changes_and_not_that_the_stream_ends(witness, court):
    for state in ("offline", "offline", "online", "online", "stalled"):
        witness.reached(state)
    witness.leave()
    witness.reached("offline")
    assert [look.what for look in court.looks] == [Reached("offline"), Reached("online"), Reached("stalled")]


def test_at_the_end_all_that_goes_on_ends_and_nobody_knows_how_the_rules_are(witness, court, book):
    witness.close(lambda kind, name: "disabled")
    assert court.closed[0][0] == "disabled"
    [([], [end])] = book.put_down
    assert end.reason == "disabled"
    assert book.stood == [{"queue": Standing(None, None)}]
    assert book.is_closed


def test_what_comes_after_the_end_begins_nothing(witness, court, book):
    witness.close(lambda kind, name: "reload")
    before = (list(book.put_down), list(book.stood))
    court.gives = [BEGIN]
    witness.tick()
    witness.moved(time.time(), Moved([CROSSING]))
    witness.reached("offline")
    assert (book.put_down, book.stood) == before
    assert court.ticks == court.looks == []


def test_only_what_a_rule_wants_is_looked_at(witness, court):
    witness.notice(outcome("object-detection", finding("object-detection", 2)))
    assert court.looks == []
    witness.notice(outcome("ocr", finding("ocr", 2), frame(3)))
    assert [look.what for look in court.looks] == [Read("ocr", ["出口", "EXIT"])]


def test_looks_of_many_threads_are_put_down_in_the_order_in_which_they_were_judged(book, monkeypatch):
    """Each look gives a number; a slow book and a desk that ticks meanwhile change nothing of the order."""
    monkeypatch.setattr("edged.flow.clock.state", lambda: "synced")
    judged: list[int] = []
    put_down: list[int] = []
    inside: list[int] = []

    def step(look):
        inside.append(1)
        assert len(inside) == 1, "two looks at a time"
        judged.append(len(judged))
        one = Happening("rule", "once", str(judged[-1]), NOW)
        return [one]

    def put(passages, happenings):
        time.sleep(0.0002)
        put_down.extend(int(one.key) for one in happenings)
        inside.clear()

    judge = SimpleNamespace(step=step, tick=lambda *_: [], standings=dict)
    scribe = SimpleNamespace(put=put, standings=lambda rules: None)
    witness = Witness(judge, scribe, Interest(texts=True))

    def camera():
        for _ in range(100):
            witness.moved(time.time(), Moved())

    def reads():
        for seq in range(100):
            witness.notice(outcome("ocr", finding("ocr", 1), frame(seq)))

    def ticks():
        for _ in range(100):
            witness.tick()

    threads = [threading.Thread(target=work, daemon=True) for work in (camera, camera, reads, ticks)]
    for thread in threads:
        thread.start()
    until(lambda: not any(thread.is_alive() for thread in threads), "all have looked")
    assert put_down == judged == list(range(300))
