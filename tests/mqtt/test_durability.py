"""When the broker is told that it need not keep a request any more."""

import threading

import pytest
from paho.mqtt.client import MQTTMessage

from edged.contracts.request import refusal
from edged.flow.counters import Counters
from edged.mqtt.address import WORLD
from edged.mqtt.outbox import Outbox
from edged.mqtt.request_desk import RequestDesk
from edged.mqtt.topics import Topics
from edged.requests.disk import Disk
from edged.requests.journal import Journal
from tests.broker import until


class HeldDisk(Disk):
    """Its syncs take as long as a test wants."""

    def __init__(self) -> None:
        super().__init__(Counters())
        self.may = threading.Event()
        self.may.set()

    def sync(self, path):
        assert self.may.wait(30)
        super().sync(path)


class Desk:
    """A desk without a broker."""

    def __init__(self, folder, durability: str) -> None:
        self.disk = HeldDisk()
        self.journal = Journal(folder, Counters(), durability, self.disk)
        self.journal.open()
        self.outbox = Outbox(Counters(), 10)
        self.jobs = []
        self.acknowledged = []
        self.desk = RequestDesk(
            Topics("shop-1"), max_payload_bytes=1000, intake=self, journal=self.journal, outbox=self.outbox,
            counters=Counters(),
        )  # fmt: skip

    def submit(self, job) -> None:
        self.jobs.append(job)

    def take(self, number: int, payload: bytes = b'{"request_id": "r"}', *, dup: bool = False) -> None:
        message = MQTTMessage(number, b"edged/shop-1/request/ocr")
        message.payload, message.dup = payload, dup
        message.qos = 1
        self.desk.take("ocr", message, lambda: self.acknowledged.append(number), self)

    def answer(self):
        """The next job's; returns what goes out."""
        self.jobs.pop(0).reply(refusal({"request_id": "r"}, 500, "x"))
        (out,) = self.outbox.take(nothing_flies=True)
        return out


@pytest.fixture
def desk(tmp_path):
    made = []

    def make(durability):
        made.append(Desk(tmp_path, durability))
        return made[-1]

    yield make
    for one in made:
        one.disk.may.set()
        one.journal.close()


def test_under_power_it_is_told_after_the_sync_and_so_is_a_double(desk):
    box = desk("power")
    box.disk.may.clear()
    box.take(1)
    box.take(2, dup=True)
    box.answer()
    assert len(box.jobs) == 0
    threading.Event().wait(0.2)
    assert box.acknowledged == []
    box.disk.may.set()
    until(lambda: len(box.acknowledged) == 2)
    assert sorted(box.acknowledged) == [1, 2]


def test_what_the_client_has_need_not_be_synced(desk):
    box = desk("power")
    box.disk.may.clear()
    box.take(1)
    box.answer().arrived(box)
    assert box.acknowledged == [1]
    box.disk.may.set()
    threading.Event().wait(0.2)
    assert box.acknowledged == [1], "once"


def test_under_power_a_refused_request_is_not_told_before_its_refusal_is_safe(desk):
    box = desk("power")
    box.disk.may.clear()
    box.take(1, b"x" * 2000)
    threading.Event().wait(0.2)
    assert box.acknowledged == []
    box.disk.may.set()
    until(lambda: box.acknowledged == [1])


def test_one_sync_is_enough_for_all_that_come_together(desk):
    box = desk("power")
    box.take(0, b"0")  # begins the segment
    until(lambda: box.acknowledged == [0])
    before = sum(box.disk._counters.counts()["journal_syncs"].values())
    box.disk.may.clear()  # they come while the first sync is under way
    for number in range(1, 21):
        box.take(number, b"%d" % number)
    box.disk.may.set()
    until(lambda: len(box.acknowledged) == 21)
    assert sum(box.disk._counters.counts()["journal_syncs"].values()) - before <= 6


def test_under_process_it_is_told_at_once(desk):
    box = desk("process")
    box.disk.may.clear()
    box.take(1)
    assert box.acknowledged == [1]


def test_under_memory_it_is_told_once_the_client_has_the_answer(desk, tmp_path):
    box = desk("memory")
    box.take(1)
    out = box.answer()
    assert box.acknowledged == []
    box.take(1, dup=True)
    out.arrived(box)
    assert box.acknowledged == [1, 1]
    assert box.journal.asked(WORLD) == []
    assert list(tmp_path.iterdir()) == []


def test_who_uses_a_name_again_before_the_first_is_kept_is_told_in_time_all_the_same(desk):
    box = desk("power")
    box.disk.may.clear()
    box.take(1)
    first = box.answer()
    box.take(2)
    assert len(box.jobs) == 1
    first.arrived(box)
    box.take(2, dup=True)
    assert box.acknowledged == [1]
    box.disk.may.set()
    until(lambda: box.acknowledged == [1, 2, 2])
