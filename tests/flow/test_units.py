"""Start, stop and reload are one call."""

import time
from dataclasses import dataclass, field

from edged.flow.units import Units, Wish


@dataclass
class Fake:
    """A unit that writes down what happens to it."""

    name: str
    log: list[str] = field(default_factory=list)
    fails: bool = False

    def start(self):
        self.log.append(f"+{self.name}")
        if self.fails:
            raise OSError("no such device")

    def stop(self):
        self.log.append(f"-{self.name}")

    def state(self):
        return "running"

    def beat(self):
        return time.monotonic()


def wishes(log, *names, settings=1, fails=()):
    return {
        name: Wish(settings, lambda name=name: Fake(name, log, name in fails), order)
        for order, name in enumerate(names)
    }


def test_starts_in_order_and_stops_in_reverse():
    log: list[str] = []
    units = Units()
    units.reconcile(wishes(log, "broker", "mqtt", "camera"))
    units.reconcile({})
    assert log == ["+broker", "+mqtt", "+camera", "-camera", "-mqtt", "-broker"]


def test_nothing_happens_when_nothing_changed():
    log: list[str] = []
    units = Units()
    units.reconcile(wishes(log, "a", "b"))
    units.reconcile(wishes(log, "a", "b"))
    assert log == ["+a", "+b"]


def test_only_what_changed_is_made_anew():
    log: list[str] = []
    units = Units()
    units.reconcile(wishes(log, "a", "b"))
    units.reconcile({**wishes(log, "a", "b"), "b": Wish(2, lambda: Fake("b", log))})
    assert log == ["+a", "+b", "-b", "+b"]


def test_a_unit_that_fails_is_reported_cleaned_up_and_tried_again():
    log: list[str] = []
    units = Units()
    failures = units.reconcile(wishes(log, "a", "b", "c", fails=("b",)))
    assert failures == {"b": "no such device"}
    assert log == ["+a", "+b", "-b", "+c"]
    assert units.states() == {"a": "running", "c": "running", "b": "no such device"}
    assert units.reconcile(wishes(log, "a", "b", "c")) == {}
    assert units.states()["b"] == "running"


def test_a_unit_that_cannot_stop_does_not_keep_the_others():
    class Stubborn(Fake):
        def stop(self):
            raise RuntimeError("no")

    log: list[str] = []
    units = Units()
    units.reconcile({"s": Wish(1, lambda: Stubborn("s", log), 1), **wishes(log, "a")})
    units.reconcile({})
    assert log[-1] == "-a"
    assert units.oldest_beat() is None


def test_who_asks_while_units_start_gets_an_answer():
    """Health is asked in another thread than the one that starts them."""
    units = Units()

    class Crowd(Fake):
        """Others start whenever this one is asked."""

        def state(self):
            units.reconcile(crowd | wishes([], "b"))
            return "running"

        def beat(self):
            units.reconcile(crowd)
            return 7.0

    crowd = {"a": Wish(1, lambda: Crowd("a"))}
    units.reconcile(crowd)
    assert units.states() == {"a": "running"}
    assert units.states() == {"a": "running", "b": "running"}
    assert units.oldest_beat() == 7.0
