"""What is told of services that load when they are asked: in `info`, in /api/status, of readiness."""

import pytest

from edged.config.settings import Config
from edged.core import Core
from edged.counts.calendar import Calendar, zone_named
from edged.counts.chronicle import Chronicle
from edged.counts.desk import CountDesk
from edged.flow.counters import Counters
from edged.flow.units import Wish
from edged.serving import residents
from edged.serving.demand import Demand
from edged.status import status
from tests.broker import until
from tests.serving.test_demand import A, B, C, Shelf

SETTINGS = Config()


@pytest.fixture
def shelf(monkeypatch):
    made = Shelf()
    monkeypatch.setattr(residents, "opened_or_why", made.open)
    return made


@pytest.fixture
def core(shelf):
    core = Core(Counters())

    def make():
        return Demand(core.table, shelf, lambda: 600, core.memory, changed=lambda: None)

    core.units.reconcile({"demand": Wish((), make)})
    until(lambda: len(core.offers()) == 3, "it has looked")
    yield core
    core.units.reconcile({})


def test_each_state_is_told_and_nobody_waits_for_what_nobody_configured(core, shelf):
    shelf.faults[B] = "its weights are damaged"
    for name in (A, B):
        assert core.table.comes(name)
        until(lambda name=name: not core.table.is_loading(name))
    core.table.get(A)
    shelf.free.clear()
    assert core.table.comes(C)
    until(lambda: C in shelf.opened)
    try:
        told = {one.service: one for one in status(core, SETTINGS, frozenset()).services}
        assert {name: one.state for name, one in told.items()} == {
            A: "running",
            B: "its weights are damaged",
            C: "loading",
        }
        assert not any(one.pinned for one in told.values())
        assert (told[A].memory_opened_bytes, told[A].memory_most_bytes) == (100, 100)
        assert (told[A].memory_bytes, told[A].asked, told[A].model) == (100, 1, f"model-of-{A}")
        assert (told[C].memory_bytes, told[C].up_s, told[C].model) == (None, None, f"model-of-{C}")
        assert status(core, SETTINGS, frozenset()).why_not_ready() == ""
        facts = {one.service: (one.state, one.variant) for one in core.service_facts()}
        assert facts == {A: ("ready", "v-f32"), C: ("loading", "")}
        assert core.why_not() == {B: "its weights are damaged"}
    finally:
        shelf.free.set()


def test_why_the_cpu_does_what_a_device_should(core, shelf):
    shelf.spared[A] = "gpu: it died of SIGSEGV"
    for name in (A, B):
        assert core.table.comes(name)
        until(lambda name=name: not core.table.is_loading(name))
    told = {one.service: one.why for one in status(core, SETTINGS, frozenset()).services}
    assert (told[A], told[B]) == ("gpu: it died of SIGSEGV", "")
    assert {one.service: one.why for one in core.service_facts()} == told


def test_who_is_in_the_zones(tmp_path, monkeypatch):
    monkeypatch.setattr("edged.flow.clock.state", lambda: "synced")
    zone = {"polygon": [[0, 0], [1, 0], [1, 1]]}
    stream = {"source": "x.mp4", "run": ["object-detection"], "zones": {"till": zone, "way": zone}}
    settings = Config.model_validate({"streams": {"door": stream}})
    chronicle = Chronicle(tmp_path / "counts.db", Counters())
    desk = CountDesk(chronicle, Calendar(zone_named("UTC")), lambda *_: None)
    core = Core(Counters())

    def told():
        return {
            name: said.count for name, said in status(core, settings, frozenset()).streams[0].zones.items()
        }

    assert told() == {"till": None, "way": None}, "nobody looks yet"
    core.units.reconcile({"counts": Wish((), lambda: desk)})
    counts = desk.open("door", [], ["till", "way"])
    counts.occupied({"till": [("person", 100.0)], "way": []})
    assert told() == {"till": 1, "way": 0}
    counts.close()
    assert told() == {"till": None, "way": None}
    core.units.reconcile({})
    chronicle.stop()
