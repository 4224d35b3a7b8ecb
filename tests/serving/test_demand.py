"""What is installed is offered: it loads when it is asked for, and leaves when it is not."""

import re
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from weakref import ref

import orjson
import pytest

from edged.contracts.errors import NotFound, NotReady
from edged.contracts.message import ModelFacts
from edged.contracts.request import Answer, RequestJob
from edged.contracts.services import ASKED, service
from edged.discovery import discover
from edged.flow.budget import Budget
from edged.flow.counters import Counters
from edged.flow.growth import Growth
from edged.requests.queue import RequestQueue
from edged.requests.settings import RequestSettings
from edged.serving import demand, residents
from edged.serving.demand import Demand
from edged.serving.offers import lacking
from edged.serving.residents import Residents
from edged.serving.table import Served, ServiceTable
from tests.answers import examples
from tests.broker import until
from tests.opened import models_in
from tests.requests.test_queue import JPEG

ROOT = Path(__file__).parent.parent.parent
A, B, C = "image-classification", "object-detection", "scene-classification"
BYTES = 100


class Shelf:
    """Stands for the opener and its catalogue: what is installed, what opens, what is held."""

    def __init__(self):
        self.installed = {A, B, C}
        self.faults = {}
        self.spared = {}
        self.free = threading.Event()
        self.free.set()
        self.opened, self.held, self.loading = [], [], 0
        self.worked = self.peak = self.looks = 0
        self.growth = Growth(self._footprint)
        self.catalogue = SimpleNamespace(
            root=Path(),
            preferred=self._preferred,
            card=lambda model: SimpleNamespace(isolation="process" if model == "apart" else "none"),
            used=self._used,
        )
        self.sessions = SimpleNamespace(rest=self._rest)
        self.kept = 0
        self.renewals = SimpleNamespace(is_outdated=lambda instance: False)
        self.apart = set()

    def _footprint(self):
        """What this process holds, and held at most: so much a service, and what work took."""
        self.looks += 1
        now = BYTES * len(self.held) + self.worked
        most, self.peak = max(now, self.peak), 0
        return now, most

    def _preferred(self, name, uses=()):
        if name not in self.installed:
            raise NotReady("no model of it is installed")
        return "apart" if name in self.apart else f"model-of-{name}"

    def _rest(self, *, at_once=False):
        if at_once:
            self.worked, self.kept = self.worked - self.kept, 0

    def _used(self, model):
        raise NotReady("nothing is known of its files")

    def open(self, name, _wanted, _opener):
        self.opened.append(name)
        assert self.free.wait(30)
        if why := self.faults.get(name):
            return why
        instance = SimpleNamespace(
            service=name,
            facts=ModelFacts(name=f"model-of-{name}", variant="v-f32", device="cpu"),
            why_spared=self.spared.get(name, ""),
            picture=None,
            infer=lambda *_: examples.finding(name).result,
        )
        self.held.append(name)
        return Served(service(name), instance, examples.options_of(name))

    def release(self, instance):
        self.held.remove(instance.service)


class Box:
    def __init__(self, shelf, idle_s, memory):
        self.shelf, self.idle_s = shelf, idle_s
        self.table, self.memory = ServiceTable(), Budget(memory)
        self.changes: list[dict[str, str]] = []
        self.demand = Demand(
            self.table,
            shelf,
            lambda: self.idle_s,
            self.memory,
            changed=lambda: self.changes.append(self.states()),
        )
        self.queue = RequestQueue(self.table, RequestSettings(), 1, Counters())

    def states(self):
        return {offer.service: offer.state for offer in self.demand.offers()}

    def size(self, name):
        return self.demand._residents.get(name).grown.size

    def looked(self):
        """It has looked at what is held once more, and done what follows from it."""
        looks = self.shelf.looks
        until(lambda: self.shelf.looks > looks + 1, "it has looked again")

    def ask(self, name, **fields):
        answers: list[Answer] = []
        body = orjson.dumps({"image": JPEG, **fields})
        self.queue.submit(RequestJob(name, body, time.monotonic(), answers.append))
        return answers

    def answer(self, name, **fields):
        answers = self.ask(name, **fields)
        until(lambda: answers)
        return answers[0]


@pytest.fixture(scope="module")
def all_models():
    return discover([ROOT / "plugins"], entry_points=False).models


@pytest.fixture
def start(monkeypatch):
    made = []

    def run(idle_s=600.0, memory=1_000_000, **shelf):
        shelf_ = Shelf()
        vars(shelf_).update(shelf)
        monkeypatch.setattr(residents, "opened_or_why", shelf_.open)
        box = Box(shelf_, idle_s, memory)
        box.demand.start()
        box.queue.start()
        made.append(box)
        until(lambda: box.states().keys() >= shelf_.installed - shelf_.apart, "it has looked")
        return box

    yield run
    for box in made:
        box.shelf.free.set()
        box.queue.stop()
        box.demand.stop()
        until(lambda box=box: not box.demand._thread.is_alive())
        assert not box.shelf.held, "all was given back"


def test_the_first_request_loads_it_and_holds_no_worker(start):
    box = start()
    box.shelf.free.clear()
    waiting = [box.ask(A) for _ in range(2)]
    until(lambda: box.queue.queued()["loading"] == 2)
    assert box.states() == {A: "loading", B: "idle", C: "idle"}
    assert box.answer("ocr").code == 404, "the only worker is free"
    box.shelf.free.set()
    until(lambda: all(waiting))
    assert [answers[0].code for answers in waiting] == [200, 200]
    assert box.shelf.opened == [A]
    assert box.states() == {A: "ready", B: "idle", C: "idle"}
    assert box.demand.offers()[0].served.usage.times == 2


def test_it_waits_no_longer_than_its_deadline(start):
    box = start()
    box.shelf.free.clear()
    assert box.answer(A, timeout_s=0.2).code == 504


def test_one_after_the_other(start):
    box = start()
    box.shelf.free.clear()
    both = box.ask(A), box.ask(B)
    until(lambda: box.queue.queued()["loading"] == 2)
    until(lambda: box.shelf.opened)
    assert box.shelf.opened == [A]
    box.shelf.free.set()
    until(lambda: all(both))
    assert box.shelf.opened == [A, B]


def test_why_it_cannot_be_loaded_is_told_for_a_while(start, monkeypatch):
    monkeypatch.setattr(demand, "FORGIVE_S", 0.3)
    box = start(faults={A: "its weights are damaged"})
    first = box.answer(A)
    assert (first.code, b"its weights are damaged" in first.body) == (503, True)
    assert box.answer(A).code == 503
    assert box.shelf.opened == [A], "the second one did not try"
    box.shelf.faults.clear()
    until(lambda: box.states().get(A) == "idle", "it may be tried again")
    assert box.answer(A).code == 200


def test_what_is_pulled_beside_it_is_offered_at_once(start):
    box = start(installed={A})
    with pytest.raises(NotFound):
        box.table.get(B)
    refused = box.answer(B)
    assert (refused.code, b"no model of it is installed" in refused.body) == (404, True)
    box.shelf.installed.add(B)
    assert box.answer(B).code == 200


@pytest.mark.parametrize("name", sorted(ASKED))
def test_a_bare_box_names_the_one_command_that_mends_it(name, tmp_path, all_models):
    assert re.search(
        r"; run `edged pull [a-z0-9-]+`$", lacking(name, models_in(tmp_path, all_models).catalogue)
    )


def test_one_whose_model_wants_a_process_of_its_own_is_not_offered(start):
    box = start(apart={A})
    assert A not in box.states()
    assert box.answer(A).code == 404


def test_it_leaves_when_nobody_asks(start):
    box = start(idle_s=0.2)
    assert box.answer(A).code == 200
    until(lambda: not box.shelf.held)
    until(lambda: box.states()[A] == "idle")
    until(lambda: box.memory.held == 0)
    assert box.answer(A).code == 200, "and comes again"


def test_nothing_of_it_is_held_by_requests_that_are_answered_though_their_time_is_not_over(start):
    box = start()
    assert box.answer(A, timeout_s=600).code == 200
    held = ref(box.table.get(A).usage)
    box.idle_s = 0.0
    until(lambda: box.states()[A] == "idle")
    until(lambda: held() is None, "nobody holds it")


def test_it_stays_while_an_answer_is_in_work(start):
    box = start()
    box.answer(A)
    served = box.table.get(A)
    with served.usage.at_work():
        box.idle_s = 0.01
        served.usage.last -= 60
        looks = len(box.changes)
        box.answer(B)
        until(lambda: B in box.shelf.opened and box.states()[B] == "idle", "B has come and gone")
        assert box.shelf.opened.count(A) == 1
        assert box.states()[A] == "ready" and len(box.changes) > looks
    until(lambda: box.states()[A] == "idle")


def test_the_least_lately_asked_leaves_for_another(start):
    box = start(memory=2 * BYTES)
    for name in (A, B, A, C):
        assert box.answer(name).code == 200
    until(lambda: box.states() == {A: "ready", B: "idle", C: "ready"})
    assert sorted(box.shelf.held) == [A, C]
    assert box.memory.held == 2 * BYTES


def test_what_work_takes_is_counted_and_the_least_lately_asked_leaves_when_that_is_too_much(start):
    box = start(memory=3 * BYTES)
    for name in (A, B):
        assert box.answer(name).code == 200
    box.looked()
    box.shelf.worked = 50
    assert box.answer(B).code == 200
    until(lambda: box.size(B) == BYTES + 50, "what it took")
    assert box.memory.held == 2 * BYTES + 50
    box.shelf.worked = 150
    assert box.answer(B).code == 200
    until(lambda: box.states()[A] == "idle" and box.memory.held == BYTES + 150, "A's room is given back")
    assert box.states()[B] == "ready"


def test_nobody_leaves_when_it_is_enough_to_give_up_what_is_kept_for_the_next_run(start):
    box = start(memory=3 * BYTES)
    for name in (A, B):
        assert box.answer(name).code == 200
    box.looked()
    box.shelf.worked = box.shelf.kept = 2 * BYTES
    assert box.answer(B).code == 200
    until(lambda: box.shelf.worked == 0)
    box.looked()
    assert (box.states()[A], box.states()[B], box.memory.held) == ("ready", "ready", 2 * BYTES)


def test_what_nobody_accounts_for_counts_too_but_the_last_one_stays(start):
    box = start(memory=3 * BYTES)
    for name in (A, B):
        assert box.answer(name).code == 200
    box.shelf.worked = 5 * BYTES
    until(lambda: box.states()[A] == "idle")
    box.looked()
    assert (box.states()[B], box.memory.held) == ("ready", BYTES)


def test_what_is_configured_is_for_no_budget(start):
    box = start(memory=3 * BYTES)
    with box.shelf.growth.watched() as grown:
        box.shelf.worked = 9 * BYTES
    pinned = box.shelf.open(C, None, None)
    box.table.want([C])
    box.table.put(replace(pinned, grown=grown))
    for name in (A, B):
        assert box.answer(name).code == 200
    box.looked()
    assert (box.states()[A], box.states()[B]) == ("ready", "ready")
    box.shelf.release(pinned.instance)


def test_room_is_made_for_as_much_as_it_took_the_last_time(start):
    box = start(memory=4 * BYTES)
    assert box.answer(A).code == 200
    box.looked()
    box.shelf.peak = 3 * BYTES
    assert box.answer(A).code == 200
    until(lambda: box.demand._residents.get(A).grown.most == 3 * BYTES)
    box.idle_s = 0.0
    until(lambda: box.states()[A] == "idle")
    box.idle_s = 600.0
    for name in (B, C):
        assert box.answer(name).code == 200
    assert box.answer(A).code == 200
    assert (box.states()[B], box.states()[C]) == ("idle", "ready")


def test_it_leaves_when_decoding_wants_its_memory(start):
    box = start(memory=2 * BYTES)
    box.answer(A)
    with box.memory.hold(2 * BYTES, time.monotonic() + 30):
        assert not box.shelf.held


def test_what_alone_is_too_large_is_refused(start):
    box = start(memory=BYTES - 1)
    answer = box.answer(A)
    assert (answer.code, b"over `runtime.memory`" in answer.body) == (503, True)
    assert not box.shelf.held


def test_what_is_configured_now_is_left_to_its_unit(start):
    box = start()
    box.answer(A)
    box.table.want([A])
    box.table.load(A)
    assert A not in box.states()
    unit = box.shelf.open(A, None, None)
    box.table.put(unit)
    until(lambda: box.shelf.held == [A], "its own share is given back")
    assert box.table.get(A) is unit
    box.table.want([])
    box.table.withdraw(A, None)
    until(lambda: box.states().get(A) == "idle", "it is offered again")
    box.shelf.release(unit.instance)
    assert box.answer(A).code == 200


def test_one_that_leaves_while_it_is_renewed_stays_away(monkeypatch):
    shelf, table = Shelf(), ServiceTable()
    here = Residents(table, shelf, Budget(10 * BYTES), changed=lambda: None)
    monkeypatch.setattr(residents, "opened_or_why", shelf.open)
    here.add(here.open(A, "model"))

    def reopened(*_):
        here.clear()  # as a stop in another thread does
        return shelf.open(A, None, None)

    monkeypatch.setattr(residents, "reopened", reopened)
    here.renew()
    assert not table.ready()
    assert not shelf.held, "the fresh one is given back, and the old one once"


def test_the_memory_outlives_it_and_knows_nothing_of_it():
    box = Box(Shelf(), 600.0, BYTES)
    box.demand.start()
    box.demand.stop()
    until(lambda: not box.demand._thread.is_alive())
    assert not box.memory._short


def test_models_that_cannot_be_looked_at_are_looked_at_again(start):
    def unreadable(name, uses=()):
        raise PermissionError(13, "Permission denied", "models")

    box = start()
    before, box.shelf.catalogue.preferred = box.shelf.catalogue.preferred, unreadable
    box.demand._look_at = 0.0
    box.demand._wake.set()
    until(lambda: not box.states())
    box.shelf.catalogue.preferred = before
    assert box.answer(A).code == 200
