"""Requests, doubles and redeliveries, by desk, sender and journal, against a broker of the machine's own."""

import shutil
import tempfile
from collections import deque
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
from edged.mqtt.address import WORLD
from edged.mqtt.aside import Aside
from edged.mqtt.carrier import LARGEST
from edged.mqtt.outbox import Outbox
from edged.mqtt.request_desk import RequestDesk
from edged.mqtt.sender import Sender
from edged.mqtt.topics import Topics
from edged.requests.disk import Disk
from edged.requests.journal import Journal
from tests.orders import few_and_many

PACKETS = range(1, 4)
UNNAMED = ""


class Link:
    """A connection: what is under way in it, each way in its order."""

    speaks_5, window, largest, was_cut, suspect = True, 9, LARGEST, False, ""

    def __init__(self):
        self.up: deque[tuple[str, int]] = deque()
        self.down: deque[tuple[str, Any, bool]] = deque()
        self.numbers = count(1)
        self.acknowledged: set[int] = set()
        """Messages whose only acknowledgement went this way."""
        self.proofs: dict[int, int] = {}
        """By answer: the message whose acknowledgement went before it."""

    def publish(self, topic, body, qos, retain, properties):
        number = next(self.numbers)
        self.up.append(("answer", number))
        self.proofs[number] = int(body) if int(body) in self.acknowledged else 0
        return number


class DoublesModel(RuleBasedStateMachine):
    """The broker's session; which messages are taken; which names are being worked on."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.session: dict[int, SimpleNamespace] = {}
        self.in_doubt: dict[int, SimpleNamespace] = {}
        """By packet: the last message, until it is known that the broker does not send it again."""
        self.on_disk: dict[int, SimpleNamespace] = {}
        """The same, of those that are in the journal."""
        self.numbers = count(1)
        self.link: Any = None  # a `Link` while there is a connection
        self._start()

    def _start(self):
        self.jobs: list[tuple[str, Any, int]] = []
        self.asking = SimpleNamespace(number=0)
        self.journal = Journal(self.folder / "mqtt", Counters())
        self.journal.open()
        self.outbox = Outbox(Counters(), 9)
        self.sender = Sender(
            self.outbox, self.journal, Aside(self.folder / "aside", Counters()), Counters(), 9
        )
        self.desk = RequestDesk(
            Topics("shop-1"),
            max_payload_bytes=1000,
            intake=SimpleNamespace(submit=self._submit),
            journal=self.journal,
            outbox=self.outbox,
            counters=Counters(),
        )
        for row, request in self.desk.load():
            assert self.desk.resume(row, request)
        self.sender.load()

    def _submit(self, job):
        self.jobs.append((orjson.loads(job.payload).get("request_id", UNNAMED), job, self.asking.number))

    @precondition(lambda self: len(self.session) < len(PACKETS))
    @rule(data=st.data(), name=st.sampled_from(["a", "b", UNNAMED]))
    def ask(self, data, name):
        """A client publishes; the broker gives it any number that is free."""
        packet = data.draw(st.sampled_from([number for number in PACKETS if number not in self.session]))
        self.session[packet] = SimpleNamespace(
            number=next(self.numbers), name=name, packet=packet, sent=False, taken=False, is_forgotten=False
        )
        if self.link:
            self._deliver(self.session[packet])

    def _deliver(self, message):
        self.link.down.append(("request", message, message.sent))
        message.sent = True

    @precondition(lambda self: self.link and self.link.down)
    @rule()
    def we_read(self):
        kind, what, again = self.link.down.popleft()
        if kind == "puback":
            self.sender.published(self.link, what)
            self._learn(what)
        else:
            self._take(what, again)
        self.sender._turn(sends=True)

    def _learn(self, answer):
        """The acknowledgement of a message that went before its answer by the same link has arrived."""
        for doubts in (self.in_doubt, self.on_disk):
            for packet, message in list(doubts.items()):
                if message.number == self.link.proofs[answer]:
                    del doubts[packet]

    def _take(self, message, again):
        """What is taken is not taken twice; all else is, unless its name is in work already.

        An equal message with the number of one that the broker may still have looks like that one.
        """
        named = message.name != UNNAMED
        in_work = named and message.name in [name for name, *_ in self.jobs]
        before, link = len(self.jobs), self.link
        payload = orjson.dumps({"request_id": message.name} if named else {})
        came = SimpleNamespace(
            payload=payload, properties=None, mid=message.packet, qos=1, dup=again, retain=False
        )

        def ack():
            link.up.append(("ack", message.packet))
            link.acknowledged |= set() if again else {message.number}

        self.asking = message
        self.desk.take("ocr", came, ack, link)
        runs = len(self.jobs) - before
        doubted = self.in_doubt.get(message.packet)
        looks_alike = again and doubted is not None and doubted.name == message.name
        if not (looks_alike and doubted is not message) and not message.is_forgotten:
            assert runs == (not message.taken and not in_work)
        message.taken = True
        message.is_forgotten = False
        self.in_doubt[message.packet] = message
        if runs:
            self.on_disk[message.packet] = message

    @precondition(lambda self: self.link and self.link.up)
    @rule()
    def the_broker_reads(self):
        kind, number = self.link.up.popleft()
        if kind == "answer":
            self.link.down.append(("puback", number, False))
        elif (message := self.session.pop(number, None)) is not None:
            assert message.taken, "the broker forgets what nobody has seen"

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def answer(self, data):
        name, job, number = self.jobs.pop(data.draw(st.integers(0, len(self.jobs) - 1)))
        job.reply(Answer(name or "made", b"%d" % number, 200, "m"))
        self.sender._turn(sends=True)

    @precondition(lambda self: self.link)
    @rule()
    def lose_the_connection(self):
        link, self.link = self.link, None
        self.sender.lost(link)
        self.sender._turn(sends=True)

    @precondition(lambda self: not self.link)
    @rule(fresh=st.sampled_from([False, False, False, True]))
    def connect(self, fresh):
        if fresh:
            self.session.clear()
            self.in_doubt.clear()
            self.desk.doubles.forget_packets()
        self.link = Link()
        for message in self.session.values():
            self._deliver(message)
        self.sender.connected(self.link)
        self.sender._turn(sends=True)

    @rule()
    def be_killed(self):
        left = Path(tempfile.mkdtemp()) / "left"
        shutil.copytree(self.folder, left)
        self.journal.close()
        shutil.rmtree(self.folder)
        left.rename(self.folder)
        in_work = sorted(name for name, *_ in self.jobs)
        for message in self.session.values():  # a double by name is in no journal
            message.is_forgotten = message.taken and self.on_disk.get(message.packet) is not message
        self.in_doubt = dict(self.on_disk)
        self.link = None
        self._start()
        assert sorted(name for name, *_ in self.jobs) == in_work

    @precondition(lambda self: self.link)
    @rule(data=st.data())
    def settle(self, data):
        """Everything that is under way arrives: nothing is owed to anybody."""
        while self.link.down or self.link.up or self.jobs:
            if self.link.down:
                self.we_read()
            elif self.link.up:
                self.the_broker_reads()
            else:
                self.answer(data)
        assert not self.session
        assert not self.journal.answered(WORLD)

    @invariant()
    def the_journal_has_what_is_in_work(self):
        assert len(self.journal.asked(WORLD)) == len(self.jobs)

    def teardown(self):
        self.journal.close()
        shutil.rmtree(self.folder)


@pytest.fixture(autouse=True)
def no_power_cut(monkeypatch):
    """A killed process loses nothing that is not synced."""
    monkeypatch.setattr(Disk, "sync", lambda self, path: None)


TestDoubles, TestDoublesLong = few_and_many(DoublesModel)
