"""The power is cut again and again: what was promised is there, and nobody gets what belongs to another."""

import shutil
import threading
from collections.abc import Iterator
from random import Random

import pytest

from edged.contracts.request import Answer
from edged.flow.counters import Counters
from edged.requests import group, ledger, spool
from edged.requests.journal import Addressed, Journal, Request
from tests.requests.power import FickleDisk, PowerCut

WORLD = "mqtt"
STEPS = 60


class Box:
    """A box with one journal; what its clients were promised survives every cut in their memory."""

    def __init__(self, folder, seed: int, durability: str) -> None:
        self.random = Random(seed)
        self.folder = folder / "box"
        self.durability = durability
        self.promised: set[int] = set()
        """Requests that were acknowledged."""
        self.arrived: set[int] = set()
        """Those whose client has the answer."""
        self.lost: set[int] = set()
        """Of the promised, what a start did not find."""
        self._next = 0
        self.rows: dict[int, int] = {}
        self.folder.mkdir()
        self._start()

    def _start(self) -> None:
        self.disk = FickleDisk(Counters(), self.folder, self.random)
        self.journal = Journal(self.folder, Counters(), self.durability, self.disk)
        self.journal.open()
        assert self.journal.kept() == self.durability

    def step(self) -> None:
        """Something happens."""
        kind = self.random.random()
        if kind < 0.5:
            self._ask()
        elif kind < 0.8 and self.rows:
            self._answer()
        elif kind < 0.95:
            self._wait()
        else:
            self.journal.tend()

    def _ask(self) -> None:
        self._next += 1
        n = self._next
        row = self.journal.ask(request(n), payload(n))
        assert row is not None
        self.rows[n] = row
        self.journal.once_kept(lambda: self.promised.add(n))

    def _answer(self) -> None:
        n = self.random.choice(list(self.rows))
        row = self.rows.pop(n)
        assert self.journal.answer(row, request(n), answer(n)) == row
        self.journal.once_kept(lambda: self.promised.add(n))
        if self.random.random() < 0.5:
            self.arrived.add(n)
            self.journal.done([row])

    def _wait(self) -> None:
        """Until all that was put down so far is as safe as it shall be."""
        synced = threading.Event()
        self.journal.once_kept(synced.set)
        assert synced.wait(60)

    def cut(self) -> None:
        """The power goes and comes back. Checks what the next start finds."""
        promised = self.promised.copy()  # before it goes
        left = self.disk.cut()
        self.disk.cut_in_checkpoint = False
        self.journal.close()  # of the old world: what it writes now is in vain
        shutil.rmtree(self.folder)
        left.rename(self.folder)
        self._start()
        self.rows = {}
        known = {name for name, _ in self.journal.identities(WORLD)}
        for row, found in self.journal.asked(WORLD):
            n = number(found)
            assert found == request(n)
            if (was := self.journal.payload(row)) is not None:
                assert was == payload(n), "another's, or torn"
                self.rows[n] = row
            else:
                known.discard(found.identity)
        for row in self.journal.answered(WORLD):
            out = self.journal.answer_of(row)
            assert out == answer(int(out.reply)), "another's"
        self.lost |= {n for n in promised - self.arrived if request(n).identity not in known}
        self.promised = promised

    def close(self) -> None:
        self.journal.close()


def request(n: int) -> Request:
    return Request(n.to_bytes(16, "big"), "ocr", WORLD, b"%d" % n, float(n))


def number(found: Request) -> int:
    return int.from_bytes(found.identity, "big")


def payload(n: int) -> bytes:
    """All of one length, so that another's would fit."""
    return b"%010d" % n * 150


def answer(n: int) -> Addressed:
    return Addressed(b"%d" % n, Answer(f"r{n}", b"%010d" % n * 30, 200, "m"), "ocr")


@pytest.fixture(autouse=True)
def small(monkeypatch) -> Iterator[None]:
    """Everything happens often."""
    monkeypatch.setattr(spool, "SEGMENT_BYTES", 10_000)
    monkeypatch.setattr(ledger, "_NUMBERS", 2)
    monkeypatch.setattr(ledger, "_CHECKPOINT_BYTES", 150_000)
    monkeypatch.setattr(group, "GATHER_S", 0.001)


def lived(folder, seed: int, durability: str, cuts: int = 4) -> set[int]:
    """A round: so many lives, each ended by a cut. Returns what was lost of the promised."""
    box = Box(folder, seed, durability)
    for _ in range(cuts):
        box.disk.cut_in_checkpoint = box.random.random() < 0.3
        try:
            for _ in range(box.random.randint(1, STEPS)):
                box.step()
        except PowerCut:
            pass
        box.cut()
    box.close()
    return box.lost


@pytest.mark.parametrize("seed", range(8))
def test_under_power_nothing_acknowledged_is_lost_and_nothing_mixed_up(tmp_path, seed):
    assert lived(tmp_path, seed, "power") == set()


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1000, 1200))
def test_under_power_two_hundred_rounds(tmp_path, seed):
    assert lived(tmp_path, seed, "power") == set()


def test_under_process_a_cut_may_lose_what_was_acknowledged_but_mixes_nothing_up(tmp_path):
    """It shows that the disk forgets: else the tests above would prove nothing."""
    lost = 0
    for seed in range(4):
        (tmp_path / str(seed)).mkdir()
        lost += len(lived(tmp_path / str(seed), seed, "process"))
    assert lost > 0
