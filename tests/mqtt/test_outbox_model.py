"""What goes out, by outbox, sender and journal, against a broker of which the machine decides all."""

import shutil
import tempfile
from collections import Counter
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from edged.contracts.request import Answer
from edged.flow.counters import Counters
from edged.mqtt import outbox as outbox_module
from edged.mqtt.address import WORLD, Address
from edged.mqtt.aside import Aside
from edged.mqtt.carrier import LARGEST
from edged.mqtt.outbox import SUSPECT, Outbox
from edged.mqtt.outgoing import Outgoing
from edged.mqtt.sender import CONDEMNED, Sender
from edged.requests.disk import Disk
from edged.requests.journal import Addressed, Journal, Request
from tests.orders import few_and_many

RING, WINDOW = 2, 4
STATES, EVENTS, RESULTS, PICTURES = ("s1", "s2", "s3"), ("e1", "e2"), ("r1", "r2"), ("p1", "p2")


class Line:
    """A connection. What flies is with the broker, or will be, or never, in this order."""

    speaks_5, window, largest = True, WINDOW, LARGEST

    def __init__(self):
        self.was_cut, self.suspect, self.is_dead = False, "", False
        self.numbers = count(1)
        self.flying: dict[int, SimpleNamespace] = {}
        self.newest = (False, 0)

    def publish(self, topic, body, qos, retain, properties):
        if self.is_dead and qos == 0:
            return None
        number = next(self.numbers)
        sent = SimpleNamespace(topic=topic, body=body, qos=qos, retain=retain, name=None)
        if topic == "reply":
            sent.name = orjson.loads(body)["request_id"]
        self.flying[number] = sent
        return number


class Owed:
    """An answer that the broker does not have."""

    def __init__(self, place, row):
        self.place, self.row = place, row
        self.deaths = self.alone = 0
        self.is_last_word = False


class OutboxModel(RuleBasedStateMachine):
    """Answers that are owed, in order; the last of every retained topic; the last number of every other."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.numbers = count(1)
        self.owed: dict[str, Owed] = {}
        self.retained: dict[str, bytes] = {}
        self.brokers: dict[str, bytes] = {}
        self.last: dict[str, int] = {}
        self.deadly: Counter[tuple[str, bytes]] = Counter()
        """How often an event was alone on its way when the connection died."""
        self.line: Any = None  # a `Line` while there is a connection
        self._start()

    def _start(self):
        self.journal = Journal(self.folder / "mqtt", Counters())
        self.journal.open()
        self.outbox = Outbox(Counters(), RING)
        aside = Aside(self.folder / "aside", Counters())
        self.sender = Sender(self.outbox, self.journal, aside, Counters(), WINDOW)
        self.sender.load()
        self._turn()

    def _turn(self):
        before = set(self.line.flying) if self.line else set()
        self.sender._turn(sends=True)
        for number in sorted((self.line.flying.keys() if self.line else set()) - before):
            sent = self.line.flying[number]
            if sent.name is not None:
                owed = self.owed[sent.name]
                turn = (owed.deaths < SUSPECT, owed.place)
                assert turn > self.line.newest, "in order, and those that are suspected first"
                self.line.newest = turn
            if sent.topic in RESULTS + PICTURES:
                assert int(sent.body) > self.last.get(sent.topic, 0), "never twice, never out of order"
                self.last[sent.topic] = int(sent.body)

    @rule(topic=st.sampled_from(STATES + EVENTS))
    def put_retained(self, topic):
        body = self.retained[topic] = b"%d" % next(self.numbers)
        if topic in STATES:
            self.outbox.state(topic, body)
        else:
            self.outbox.ring(topic, body, qos=1, retain=True)
        self._turn()

    @rule(topic=st.sampled_from(EVENTS))
    def forget(self, topic):
        self.outbox.forget(topic)
        if topic in self.retained:
            self.retained[topic] = b""
        self._turn()

    @rule(topics=st.lists(st.sampled_from(RESULTS + PICTURES), min_size=1, max_size=6))
    def put_what_may_be_lost(self, topics):
        for topic in topics:
            body = b"%d" % next(self.numbers)
            if topic in RESULTS:
                self.outbox.ring(topic, body)
            else:
                self.outbox.latest(topic, body, ())
        self._turn()

    @rule(on_disk=st.lists(st.booleans(), min_size=1, max_size=3))
    def put_answers(self, on_disk):
        for each in on_disk:
            self._put_an_answer(each)
        self._turn()

    def _put_an_answer(self, on_disk):
        place = next(self.numbers)
        name, row = str(place), None
        answer = Answer(name, orjson.dumps({"request_id": name, "text": "x" * 20}), 200, "m")
        if on_disk:
            reply = Address("reply", b"").written()
            request = Request(place.to_bytes(16, "big"), "ocr", WORLD, reply, 1.0)
            row = self.journal.ask(request, b"payload")
            assert self.journal.answer(row, request, Addressed(reply, answer)) == row
        self.owed[name] = Owed(place, row)
        self.outbox.answer(Outgoing("reply", answer.body, "answer", 1, answer=answer, row=row), on_disk)

    @precondition(lambda self: self.line is None)
    @rule(forgets=st.booleans())
    def connect(self, forgets):
        if forgets:  # what another process of ours had published is gone with it
            self.brokers.clear()
        self.line = Line()
        self.sender.connected(self.line)
        self._turn()

    @precondition(lambda self: self.line and not self.line.is_dead and self.line.flying)
    @rule()
    def arrive(self):
        number, sent = next(iter(self.line.flying.items()))
        self._reach(sent)
        del self.line.flying[number]
        if sent.name is not None:
            del self.owed[sent.name]
        self.sender.published(self.line, number)
        self._turn()

    @precondition(lambda self: self.line)
    @rule()
    def die_unnoticed(self):
        self.line.is_dead = True

    @precondition(lambda self: self.line)
    @rule(reached=st.integers(0, WINDOW), was_cut=st.booleans())
    def lose_the_connection(self, reached, was_cut):
        line, left = self.line, self._hang_up(reached)
        if was_cut and len(left) == 1 and left[0].topic in EVENTS:
            self._blame(left[0].topic, left[0].body)
        if was_cut:
            for owed in [self.owed[sent.name] for sent in left if sent.name is not None]:
                owed.deaths += 1
                owed.alone += len(left) == 1
        for name, owed in [(name, owed) for name, owed in self.owed.items() if owed.alone == CONDEMNED]:
            if owed.is_last_word:
                del self.owed[name]
            owed.deaths, owed.alone, owed.is_last_word = 0, 0, True
        line.was_cut = was_cut
        self.sender.lost(line)
        self._turn()

    def _blame(self, topic, body):
        """Nobody insists on an event that the broker cannot take."""
        self.deadly[topic, body] += 1
        if self.deadly[topic, body] >= CONDEMNED and self.retained.get(topic) == body:
            del self.retained[topic]

    @rule(reached=st.integers(0, WINDOW))
    def be_killed(self, reached):
        """The files stay as they are; what is on no disk is gone."""
        self._hang_up(reached)
        left = Path(tempfile.mkdtemp()) / "left"
        shutil.copytree(self.folder, left)
        self.journal.close()
        shutil.rmtree(self.folder)
        left.rename(self.folder)
        kept = sorted((owed.row, name) for name, owed in self.owed.items() if owed.row is not None)
        self.owed = {name: Owed(row, row) for row, name in kept}
        self.retained = {}
        self._start()

    def _hang_up(self, reached):
        if (line := self.line) is None:
            return []
        left = list(line.flying.values())
        for sent in left[: 0 if line.is_dead else reached]:
            self._reach(sent)
        line.flying.clear()
        self.line = None
        return left

    def _reach(self, sent):
        """The broker has it; whether we learn that or not."""
        if sent.retain:
            self.brokers[sent.topic] = sent.body

    @precondition(lambda self: self.line and not self.line.is_dead)
    @rule()
    def settle(self):
        while self.line.flying:
            self.arrive()
        assert self.outbox.empty()
        assert not self.owed
        assert {topic: self.brokers.get(topic, b"") for topic in self.retained} == self.retained

    @invariant()
    def each_answer_that_is_owed_is_there_once(self):
        flying = [s.name for s in self.line.flying.values() if s.name is not None] if self.line else []
        assert set(flying) <= self.owed.keys()
        assert len(set(flying)) == len(flying)
        assert self.outbox.waiting()["answers"] + len(flying) == len(self.owed)
        rows = [owed.row for owed in self.owed.values() if owed.row is not None]
        assert self.journal.answered(WORLD) == sorted(rows)

    @invariant()
    def what_waits_is_bounded(self):
        waiting = self.outbox.waiting()
        assert waiting["results"] <= RING + WINDOW + len(EVENTS)
        assert waiting["snapshots"] <= len(PICTURES)
        assert waiting["states"] <= len(STATES + EVENTS)

    def teardown(self):
        self.journal.close()
        shutil.rmtree(self.folder)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Bodies are read from the journal at their turn; no power is cut."""
    monkeypatch.setattr(Disk, "sync", lambda self, path: None)
    monkeypatch.setattr(outbox_module, "HELD_BYTES", 60)


TestOutbox, TestOutboxLong = few_and_many(OutboxModel)
