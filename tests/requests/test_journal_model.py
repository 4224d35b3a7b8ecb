"""The journal and its spool against models that fit on a page, in orders that nobody thought of."""

import shutil
import tempfile
from itertools import count
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from edged.contracts.request import Answer
from edged.flow.counters import Counters
from edged.requests import ledger, spool
from edged.requests.disk import Disk
from edged.requests.journal import Addressed, Journal, Request
from edged.requests.spool import Place, Spool
from tests.orders import few_and_many

WORLD = "mqtt"
payloads = st.tuples(st.integers(0, 700), st.binary(min_size=1, max_size=3)).map(lambda p: p[1] * p[0])


class JournalModel(RuleBasedStateMachine):
    """What waits, what is answered, what has arrived: three dictionaries."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.asked: dict[int, tuple[Request, bytes]] = {}
        self.answered: dict[int, Addressed] = {}
        self.numbers = count(1)
        self.journal = self._opened()

    def _opened(self) -> Journal:
        journal = Journal(self.folder, Counters())
        journal.open()
        return journal

    def _request(self) -> Request:
        return Request(next(self.numbers).to_bytes(16, "big"), "ocr", WORLD, b"to", 1.0)

    @rule(payload=payloads)
    def ask(self, payload):
        request = self._request()
        row = self.journal.ask(request, payload)
        assert row is not None
        assert row not in self.asked.keys() | self.answered.keys()
        self.asked[row] = request, payload

    @rule(data=st.data(), body=st.binary(max_size=50))
    def answer(self, data, body):
        """One that waits, or one that was never put down (refused)."""
        row = data.draw(st.sampled_from([None, *self.asked]))
        request = self._request() if row is None else self.asked.pop(row)[0]
        out = Addressed(b"to", Answer("r", body, 200, "m"), "ocr")
        got = self.journal.answer(row, request, out)
        assert got is not None
        assert row in (None, got)
        self.answered[got] = out

    @rule(data=st.data())
    def arrive(self, data):
        """Answers have arrived; also those that could not be written, whose requests still wait."""
        rows = data.draw(st.lists(st.sampled_from([*self.asked, *self.answered, 10**6]), unique=True))
        self.journal.done(rows)
        for row in rows:
            self.asked.pop(row, None)
            self.answered.pop(row, None)

    @rule()
    def tend(self):
        self.journal.tend()

    @rule()
    def restart(self):
        self.journal.close()
        self.journal = self._opened()

    @rule()
    def be_killed(self):
        """The next start finds the files as they are, SQLite's log not yet brought home."""
        left = Path(tempfile.mkdtemp()) / "left"
        shutil.copytree(self.folder, left)
        self.journal.close()
        shutil.rmtree(self.folder)
        left.rename(self.folder)
        self.journal = self._opened()

    @invariant()
    def it_holds_what_the_model_holds(self):
        found = dict(self.journal.asked(WORLD))
        assert found == {row: request for row, (request, _) in self.asked.items()}
        assert {row: self.journal.payload(row) for row in found} == {r: p for r, (_, p) in self.asked.items()}
        rows = self.journal.answered(WORLD)
        assert rows == sorted(self.answered)
        assert {row: self.journal.answer_of(row) for row in rows} == self.answered
        assert len(self.journal.identities(WORLD)) >= len(self.answered)

    @invariant()
    def no_segment_is_there_for_nothing(self):
        """But for the one that grows."""
        assert len(list((self.folder / "spool").iterdir())) <= len(self.asked) + 1

    def teardown(self):
        self.journal.close()
        shutil.rmtree(self.folder)


class SpoolModel(RuleBasedStateMachine):
    """A dictionary of places and payloads; and no number twice."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.needed: dict[Place, tuple[bytes, bytes]] = {}
        self.used: set[int] = set()
        self.numbers = count(1)
        self.spool = self._opened()

    def _opened(self) -> Spool:
        return Spool(self.folder, self.needed, self._number, Disk(Counters()), syncs=False)

    def _number(self) -> int:
        number = next(self.numbers)
        self.used.add(number)
        return number

    @rule(payload=st.binary(min_size=1, max_size=700), identity=st.binary(max_size=4))
    def write(self, payload, identity):
        place = self.spool.write(payload, identity)
        assert place not in self.needed
        self.needed[place] = payload, identity

    @rule(data=st.data())
    def release(self, data):
        if self.needed:
            place = data.draw(st.sampled_from(list(self.needed)))
            del self.needed[place]
            self.spool.release(place.segment)

    @rule()
    def tidy(self):
        self.spool.tidy()

    @rule()
    def restart(self):
        self.spool.finish()
        self.spool = self._opened()
        assert {int(f.name) for f in self.folder.iterdir()} == {place.segment for place in self.needed}

    @rule(data=st.data(), byte=st.integers(0, 10**9))
    def look_wrongly(self, data, byte):
        """Another's identity, or another's bytes, are never taken for what was written."""
        if self.needed:
            place = data.draw(st.sampled_from(list(self.needed)))
            payload, identity = self.needed[place]
            assert self.spool.read(place, identity + b"x") is None
            moved = Place(place.segment, place.offset + 1 + byte % 50, place.length, place.checksum)
            assert self.spool.read(moved, identity) in (None, payload)

    @invariant()
    def all_is_read_again(self):
        for place, (payload, identity) in self.needed.items():
            assert self.spool.read(place, identity) == payload

    def teardown(self):
        self.spool.finish()
        shutil.rmtree(self.folder)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Everything happens often."""
    monkeypatch.setattr(spool, "SEGMENT_BYTES", 1000)
    monkeypatch.setattr(ledger, "_NUMBERS", 2)
    monkeypatch.setattr(ledger, "_CHECKPOINT_BYTES", 50_000)


TestJournal, TestJournalLong = few_and_many(JournalModel)
TestSpool, TestSpoolLong = few_and_many(SpoolModel)
