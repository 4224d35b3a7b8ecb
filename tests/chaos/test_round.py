"""A round sees what does not hold: nothing real runs here, and the faults are made to fail."""

import time

import pytest

from edged.chaos import round as one_round
from edged.chaos.faults import Fault
from edged.chaos.tally import FINE, Question, answered_since
from edged.contracts.errors import EdgedError


class FakeCustomer:
    """Has one request asked in each calm, which is answered at once unless the world says otherwise."""

    def __init__(self, world):
        self.world = world
        self.questions = []

    def ask(self):
        answers = [(time.monotonic(), code) for code in self.world.codes]
        self.questions.append(Question(time.monotonic(), FINE, answers))
        return self.questions[-1]

    def ask_steadily(self, rate):
        self.ask()

    def rest(self):
        """It asks nothing by itself."""

    def forget(self):
        past, self.questions = self.questions, []
        return past

    def drop(self):
        self.questions.clear()

    def answered_since(self, moment):
        self.ask()
        return answered_since(self.questions, moment)

    def lost(self):
        return 3

    def heard(self, stream):
        return 0.0


class FakeWorld:
    def __init__(self):
        self.codes = [200]
        self.statuses = []
        self.customer = FakeCustomer(self)
        self.daemon = self

    def memory_bytes(self):
        return 1_000_000

    def revive(self):
        return self.statuses.pop() if self.statuses else None


@pytest.fixture
def world(monkeypatch):
    monkeypatch.setattr(one_round, "SETTLED_S", 30.0)
    monkeypatch.setattr(one_round, "CALM_S", 0.01)
    monkeypatch.setattr(one_round, "QUIET_S", 0.0)
    return FakeWorld()


@pytest.fixture
def soon(world, monkeypatch):
    """For what is never well again."""
    monkeypatch.setattr(one_round, "SETTLED_S", 0.2)


def played(world, inflict=lambda _: None, **facts):
    fault = Fault("quake", inflict, **facts)
    (endured,) = one_round.play(world, [fault], 10.0, 0.0, lambda *_: None)
    return endured


def test_what_holds(world):
    endured = played(world)
    assert (endured.times, endured.broken, endured.lost) == (1, (), 0)
    assert 0 <= endured.recovered_s < 30
    assert endured.count.asked == endured.count.once > 1


@pytest.mark.parametrize(
    ("codes", "said"), [([200, 200], "answered twice"), ([500], "answered wrongly"), ([], "never answered")]
)
@pytest.mark.usefixtures("soon")
def test_answers_that_must_not_be(world, codes, said):
    def break_it(world):
        world.codes = codes

    assert any(said in one for one in played(world, break_it).broken)


def test_a_double_over_a_cut_session_is_none(world):
    world.codes = [200, 200]
    endured = played(world, doubles=True)
    assert endured.broken == ()
    assert endured.count.twice == endured.count.asked


@pytest.mark.usefixtures("soon")
def test_a_daemon_that_ends_by_itself(world):
    def break_it(world):
        world.statuses, world.codes = [-11], []

    assert "the daemon ended by itself (-11)" in played(world, break_it).broken


@pytest.mark.usefixtures("soon")
def test_a_camera_that_does_not_come_back(world):
    assert played(world, camera="door").broken == ("not well again within 0.2 s",)


def test_a_fault_that_cannot_be_undone(world):
    def break_it(world):
        raise EdgedError("the scratch broker does not start")

    assert played(world, break_it).broken == ("the scratch broker does not start",)


def test_what_cannot_be_tried_says_why(world):
    endured = played(world, why_not=lambda: "no such library")
    assert (endured.times, endured.not_tried, endured.broken) == (0, "no such library", ())


def test_a_fault_is_inflicted_as_often_as_its_share_of_the_time_allows(world):
    times = []

    def shake(_):
        times.append(1)
        time.sleep(0.05)

    fault = Fault("quake", shake)
    (endured,) = one_round.play(world, [fault], 10.0, 2.0, lambda *_: None)
    assert endured.times == len(times) > 1
