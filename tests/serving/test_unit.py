"""A service as a unit: what serves, and who may say so."""

from contextlib import nullcontext
from types import SimpleNamespace

from edged.contracts.services import service
from edged.flow.growth import Grown
from edged.serving import unit as module
from edged.serving.table import Served, ServiceTable
from edged.serving.unit import ServiceSettings, ServiceUnit
from tests.answers import examples
from tests.broker import until

NAME = "object-detection"


class Instance:
    """Tells those who watch it that its device is lost, or back."""

    def __init__(self):
        self.watchers = []
        self.watch = self.watchers.append

    def is_aside(self):
        return False

    def trouble(self):
        return None

    def change(self):
        for changed in self.watchers:
            changed()


def test_one_that_another_has_followed_does_not_come_back(monkeypatch):
    old, new = (Served(service(NAME), Instance(), examples.options_of(NAME)) for _ in range(2))
    released, changes, table = [], [], ServiceTable()
    growth = SimpleNamespace(watched=lambda: nullcontext(Grown()))
    opener = SimpleNamespace(growth=growth, release=released.append, catalogue=None)
    monkeypatch.setattr(module, "opened_or_why", lambda *_: old)
    monkeypatch.setattr(module, "reopened", lambda *_: new)
    unit = ServiceUnit(NAME, ServiceSettings(isolation="none"), opener, table, lambda: changes.append(1))
    unit.start()
    until(lambda: unit.state() == "running" and table.ready() and changes)
    unit.renew()
    assert table.get(NAME) is new
    assert released == [old.instance]
    old.instance.change()
    assert table.get(NAME) is new
    told = len(changes)
    new.instance.change()
    assert len(changes) > told, "the new one is watched"
    unit.stop()
    assert released == [old.instance, new.instance]
