"""What is told of services that load when they are asked: in `info`, in /api/status, of readiness."""

import pytest

from edged.config.settings import Config
from edged.core import Core
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
