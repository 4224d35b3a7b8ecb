"""The machine in orders that nobody thought of: each beginning has its end, and nothing is told too early."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from edged.events.look import Look, Moved, Reached, Read, Shown, Still
from edged.ops.movements import Crossing
from tests.events.looks import NOON, Watched
from tests.orders import few_and_many

RULES = {
    "visitor": {"when": {"line": "door/entrance", "direction": "in"}, "actions": ["a"], "cool_down": 5},
    "help": {"when": {"said": "help", "stream": "door"}},
    "queue": {"when": {"zone": "door/till", "count": ">= 2"}, "for": 3, "actions": ["a"], "cool_down": 20},
    "anyone": {"when": {"zone": "door/till"}, "end_after": 0, "actions": ["a"], "also": ["end"]},
    "loiterer": {"when": {"zone": "door/till", "stays": 4}},
    "plate": {"when": {"text": r"[A-Z]+-\d", "stream": "door"}, "for": 1},
    "person": {"when": {"seen": "person", "stream": "door"}, "between": ["12:00", "12:01"]},
    "cat": {"when": {"seen": "cat", "stream": "door"}},
    "blind": {"when": {"offline": "door"}, "for": 2},
}
seconds = st.sampled_from([0.0, 0.2, 0.2, 0.2, 0.2, 1.0, 3.0, 10.0, 70.0])
REASONS = {"over", "unknown", "reload", "killed"}


class MachineModel(RuleBasedStateMachine):
    """Whatever comes, what is told fits together."""

    @initialize(follows=st.booleans())
    def begin(self, follows):
        self.follows = follows
        self.stream = Watched(zones=["till"], **RULES)
        self.number = 0
        self.came: dict[int, float] = {}
        self.born = self.stream.ticks
        """Of this machine: the earliest time of which it knows."""
        self.last = None
        self.open: dict[str, object] = {}
        self.acted: dict[str, float] = {}
        self.crossings = self.utterances = 0
        self.lines = self.visitors = self.helps = 0

    def _take(self, told, ticks=None):
        """`ticks`: of the look, if it is late."""
        ticks = self.stream.ticks if ticks is None else ticks
        for one in told:
            self._once(one) if one.phase == "once" else self._pair(one)
            if one.actions:
                assert one.actions == ("a",)
                if one.phase != "end":
                    quiet = self.stream.rules[one.rule].cool_down
                    acted = self.acted.get(one.rule, float("-inf"))
                    assert max(ticks - acted, 0.0) >= quiet
                    self.acted[one.rule] = max(acted, ticks)

    def _once(self, one):
        assert one.lasted is one.reason is None
        self.lines += one.kind == "line"
        self.visitors += one.rule == "visitor"
        self.helps += one.rule == "help"

    def _pair(self, one):
        if one.phase == "begin":
            assert one.key not in self.open
            assert one.lasted is one.reason is None
            self.open[one.key] = one
            return
        begin = self.open.pop(one.key)
        same = ("kind", "rule", "zone", "track", "class_name", "text", "began_at")
        assert [getattr(one, name) for name in same] == [getattr(begin, name) for name in same]
        assert one.reason in REASONS
        waited = self.stream.rules[one.rule].wait if one.rule else 0.0
        assert waited - 1e-6 <= one.lasted <= self.stream.ticks - self.born + 1e-6
        assert bool(one.actions) == (one.rule == "anyone"), "its beginning was told, and `also` says so"

    def _look(self, what, ago=0.0):
        at = None if self.stream.at is None else self.stream.at - ago
        self.last = Look(self.stream.ticks - ago, at, what)
        self.born = min(self.born, self.last.ticks)
        self._take(self.stream.machine.step(self.last), self.last.ticks)

    @rule(
        later=seconds,
        comes=st.sampled_from([None, 0, 1, 2]),
        goes=st.booleans(),
        crosses=st.sampled_from([None, None, "in", "out"]),
        ago=st.sampled_from([0.0, 0.0, 0.1, 2.0]),
    )
    def followed(self, later, comes, goes, crosses, ago):
        self.stream.later(later)
        is_cut = comes is None
        if is_cut or goes:
            self.came = {}
        if not is_cut:
            for _ in range(comes or 0):
                self.number += 1
                self.came[self.number] = self.stream.at if self.stream.at is not None else 5.0
        self.crossings += crosses is not None
        self.number += 1
        at = self.stream.at or 0.0
        passed = [Crossing("entrance", crosses, self.number, "person", at)] if crosses else []
        inside = {"till": {number: ("person", since) for number, since in self.came.items()}}
        present = dict.fromkeys(self.came, "person")
        if self.follows:
            self._look(Moved(passed, None if is_cut else inside, None if is_cut else present), ago)
        else:
            self._look(Moved(passed), ago) if crosses else None

    @rule(later=seconds, heir=st.booleans())
    def found_again(self, later, heir):
        """Everybody has another number, and came when they came."""
        if self.follows and heir:
            self.stream.later(later)
            self.number += len(self.came)
            numbers = range(self.number, self.number - len(self.came), -1)
            self.came = dict(zip(numbers, self.came.values(), strict=True))
            inside = {"till": {number: ("person", since) for number, since in self.came.items()}}
            self._look(Moved((), inside, dict.fromkeys(self.came, "person")))

    @rule(
        later=seconds,
        what=st.sampled_from(
            [
                Shown("one", frozenset({"cat"})),
                Shown("one", frozenset()),
                Shown("one", None),
                Shown("other", frozenset({"cat", "person"})),
                Read("ocr", ["AB-1", "x"]),
                Read("ocr", ["AB-2", "AB-3"]),
                Read("ocr", []),
                Read("ocr", None),
                Still(),
                Reached("online"),
                Reached("stalled"),
                Reached("offline"),
            ]
        ),
    )
    def look(self, later, what):
        self.stream.later(later)
        self._look(what)

    @rule(later=st.sampled_from([0.2, 1.0]), text=st.sampled_from(["help me", "hello"]))
    def say(self, later, text):
        self.stream.later(later)
        self.utterances += "help" in text
        self._take(self.stream.heard(text))

    @rule()
    def look_twice(self):
        if self.last is not None:
            self._take(self.stream.machine.step(self.last), self.last.ticks)

    @rule(later=seconds)
    def tick(self, later):
        self.stream.later(later)
        self._take(self.stream.tick())

    @rule(by=st.sampled_from([-7200.0, -1.0, 1.0, 3600.0, None]))
    def set_the_clock(self, by):
        self.stream.at = None if by is None else (self.stream.at or NOON) + by

    @rule(later=seconds, reason=st.sampled_from(["reload", "killed"]))
    def begin_anew(self, later, reason):
        self.stream.later(later)
        self._take(self.stream.close(reason))
        assert not self.open
        again = Watched(zones=["till"], acted=self.acted, **RULES)
        again.ticks, again.at = self.stream.ticks, self.stream.at
        self.stream, self.last, self.born = again, None, again.ticks
        if reason == "killed":
            self.came = {}

    @invariant()
    def each_moment_is_told_once(self):
        assert self.lines == self.crossings
        assert self.helps == self.utterances

    @invariant()
    def what_a_rule_says_of_itself_is_what_it_has_told(self):
        for name, standing in self.stream.machine.standings().items():
            going_on = any(key in self.open for key in self.open if self.open[key].rule == name)
            assert (standing.active is True) == going_on


TestMachine, TestMachineLong = few_and_many(MachineModel, few=250)

spans = st.floats(0.2, 1.6)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    flickers=st.lists(st.tuples(spans, st.floats(0.2, 5)), min_size=1, max_size=8),
    waits=st.sampled_from([0, 3]),
    end_after=st.sampled_from([0, 5]),
    cut=st.booleans(),
)
def test_a_flicker_ends_nothing_and_begins_nothing(flickers, waits, end_after, cut):
    """Shorter than 2 s, whatever it is: nobody there, or nobody who knows."""
    when = {"zone": "door/till", "count": ">= 1"}
    there = Watched(there={"when": when, "for": waits, "end_after": end_after})
    gone = Watched(there={"when": when, "for": 4, "end_after": end_after})
    there.during(4, lambda: there.moved(1))
    for off, on in flickers:
        there.during(off, there.cut if cut else there.moved)
        there.during(on, lambda: there.moved(1))
        gone.during(off, lambda: gone.moved(1))
        gone.during(max(on, 2.4), gone.moved)
    assert [one.phase for one in there.told] == ["begin"]
    assert gone.told == []
