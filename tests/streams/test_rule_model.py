"""The rule of what is told against a model that fits on a page, in orders that nobody thought of."""

from typing import NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from edged.answers.kind import State
from edged.streams.rule import NOTHING, SETTLE_S, Failed, PublishSettings, Rule
from tests.orders import few_and_many

STATES = [NOTHING, ("person",), ("person",) * 2, Failed(500), Failed(422), State.NEW, State.SILENT]
FIRST = "nothing was told yet"
seconds = st.sampled_from([0.0, 0.125, 0.5, 1.0, 2.0, 60.0])


class Look(NamedTuple):
    number: int
    state: object
    at: float
    sure: bool


class RuleModel(RuleBasedStateMachine):
    """What was told last, and the results since that differ from it, none between that does not."""

    @initialize(
        on=st.sampled_from(["every", "change"]),
        interval=st.sampled_from([0.0, 0.0, 0.5, 5.0]),
        classes=st.sampled_from([(), ("person",)]),
    )
    def begin(self, on, interval, classes):
        self.settings = PublishSettings(on=on, min_interval=interval, classes=classes)
        self.suppressed: list[str] = []
        self.rule: Rule[Look] = Rule(self.settings, self.suppressed.append)
        self.offered, self.now = 0, 0.0
        self.told: list[Look] = []
        self.told_at: list[float] = []
        self.differing: list[Look] = []
        self.let_go = 0

    @rule(state=st.sampled_from(STATES), sure=st.booleans(), later=seconds)
    def offer(self, state, sure, later):
        self.now += later
        look = Look(self.offered, state, self.now, sure)
        self.offered += 1
        told = self.rule.offer(look, state, self.now, sure=sure)
        if self._differs(look):
            self._agree(told)
        else:  # what waits comes by itself, when it is due
            assert told is None

    @rule(later=seconds)
    def look_whether_it_is_time(self, later):
        self.now += later
        self._agree(self.rule.release(self.now))

    @precondition(lambda self: self.rule.due() is not None)
    @rule(early=st.sampled_from([0.0, 0.0625]))
    def wait_for_it(self, early):
        """As the publisher's timer does, which may be early."""
        self.now = max(self.now, self.rule.due() - early)
        self._agree(self.rule.release(self.now))

    def _differs(self, look):
        """What the settings say of a result; false: it is let go."""
        compared = self.settings.on == "change" and look.state is not State.NEW
        wanted = compared or look.state != NOTHING or not self.settings.classes
        if look.state is State.SILENT or not wanted:
            self.let_go += 1
            return False
        if compared and look.state == self._last():
            self.let_go += 1 + bool(self.differing)
            self.differing = []
            return False
        self.let_go += bool(self.differing)
        self.differing.append(look)
        return True

    def _last(self):
        return self.told[-1].state if self.told else FIRST

    def _due(self):
        """When the newest is to be told: at once if two differ, or nobody need confirm it; or it settles."""
        if not self.differing:
            return None
        newest, last = self.differing[-1], self._last()
        sure = (
            self.settings.on == "every"
            or len(self.differing) > 1
            or newest.sure
            or newest.state is State.NEW
            or last is FIRST
            or isinstance(newest.state, Failed)
            or isinstance(last, Failed)
        )
        settled = newest.at if sure else newest.at + SETTLE_S
        return max([settled, *(at + self.settings.min_interval for at in self.told_at)])

    def _agree(self, told):
        due = self._due()
        expected = self.differing[-1] if due is not None and due <= self.now else None
        assert told == expected
        if told is not None:
            self.told.append(told)
            self.told_at.append(self.now)
            self.differing = []

    @invariant()
    def it_waits_for_what_the_model_waits_for(self):
        assert self.rule.due() == self._due()

    @invariant()
    def each_is_told_or_counted_or_waits(self):
        assert len(self.suppressed) == self.let_go
        assert len(self.told) + self.let_go + bool(self.differing) == self.offered


TestRule, TestRuleLong = few_and_many(RuleModel, few=100)
