"""Events, from what happens to the broker: whatever is killed when, each is told, and in order."""

import itertools
import random
import sqlite3
import time
from contextlib import closing, contextmanager

import orjson
import pytest

from edged.contracts.happenings import EventMessage
from edged.counts import said
from edged.counts.book import CountBook, Passage
from edged.counts.calendar import Calendar, zone_named
from edged.counts.chronicle import Chronicle
from edged.counts.desk import CountDesk
from edged.counts.layout import open_counts
from edged.events import desk as desks
from edged.events.archive import EventQuery, query_of
from edged.events.book import EventBook
from edged.events.desk import EventDesk, Surroundings
from edged.events.event_settings import EventSettings
from edged.events.happening import Happening, Standing
from edged.flow.counters import Counters
from tests.broker import until

NOW = 1_795_422_600.0
PASSAGE = Passage("a", "in", "person", 7, NOW)


class Broker:
    """A channel that the test holds in its hands: nothing is settled unless it says so."""

    def __init__(self, settles=True):
        self.settles = settles
        self.heard = []
        self.open = []
        self.rules = []

    def event(self, stream, body, settled):
        self.heard.append(EventMessage.model_validate_json(body))
        if self.settles:
            settled()
        else:
            self.open.append(settled)

    def rule(self, rule, state):
        self.rules.append((rule, state.active, state.since))


class Box:
    """The book and the desk on one folder, and what they tell."""

    def __init__(self, folder, broker=None, **settings):
        self.broker = broker
        self.counters = Counters()
        self.told = []
        self.heard = 0
        self.chronicle = Chronicle(folder / "counts" / "counts.db", self.counters)
        self.counts = CountDesk(
            self.chronicle, Calendar(zone_named("UTC")), lambda *one: self.told.append(one[3])
        )
        around = Surroundings(
            counted=self.counts.entry,
            channel=lambda: self.broker,
            heard=self._hear,
            snapshot=lambda stream: f"/artefacts/{stream}.jpg",
            record=lambda stream: f"/artefacts/{stream}.mp4",
        )
        self.desk = EventDesk("box", EventSettings(**settings), self.chronicle, self.counters, around)

    def _hear(self):
        self.heard += 1

    def kept(self, **wanted):
        kept = self.desk.kept(EventQuery(oldest_first=True, **wanted))
        return [EventMessage.model_validate_json(one.body) for one in kept]

    def start(self):
        for unit in (self.chronicle, self.counts, self.desk):
            unit.start()
        return self

    def stop(self):
        for unit in (self.desk, self.counts, self.chronicle):
            unit.stop()

    def kill(self):
        """As if the process were gone: nothing is put down any more, and nothing is settled."""
        self.broker = None
        self.desk._dispatch._settled.clear()
        self.desk._dispatch.note = lambda: None
        self.stop()


@contextmanager
def running(folder, broker=None, **settings):
    box = Box(folder, broker, **settings).start()
    try:
        yield box
    finally:
        box.stop()


@pytest.fixture(autouse=True)
def synced(monkeypatch):
    """Whoever runs this may have a clock that nobody set."""
    states = ["synced"]
    monkeypatch.setattr(said.clock, "state", lambda: states[-1])
    return states


def once(at=NOW, **more):
    fields = {"kind": "line", "phase": "once", "key": "line/a", "line": "a", "direction": "in", **more}
    return Happening(began_at=at, class_name="person", track=7, **fields)


def begin(key="rule/queue", at=NOW, **more):
    return Happening("rule", "begin", key, at, rule="queue", **more)


def end(key="rule/queue", lasted=90.0, reason="over", **more):
    return Happening("rule", "end", key, None, lasted=lasted, reason=reason, rule="queue", **more)


def test_a_look_is_one_transaction(tmp_path, monkeypatch):
    with running(tmp_path) as box:
        box.counts.open("door", ["a"], [])
        door = box.desk.open("door")
        door.put([PASSAGE], [once()])
        assert (box.told[-1].in_, [one.direction for one in box.kept()]) == (1, ["in"])
        real = EventBook.put

        def full(self, noted, now):
            raise sqlite3.OperationalError("database or disk is full")

        monkeypatch.setattr(EventBook, "put", full)
        door.put([PASSAGE], [once()])
        assert (box.told[-1].in_, len(box.kept())) == (1, 1), "neither the count nor the event"
        monkeypatch.setattr(EventBook, "put", real)
        door.put([PASSAGE], [once()])
        assert (box.told[-1].in_, [one.seq for one in box.kept()]) == (3, [0, 1, 2])


def test_what_an_event_says(tmp_path):
    with running(tmp_path) as box:
        door = box.desk.open("door")
        door.put([], [begin(text="AB-123", actions=("phone",))])
        door.put([], [end(lasted=90.5)])
        first, last = box.kept()
        assert first.model_dump(exclude_none=True) == {
            "schema_": "edged/event/1",
            "node": "box",
            "stream": "door",
            "seq": 0,
            "id": first.id,
            "event": "rule",
            "phase": "begin",
            "began_at": "2026-11-23T08:30:00.000000Z",
            "rule": "queue",
            "text": "AB-123",
            "snapshot": "/artefacts/door.jpg",
            "recording": "/artefacts/door.mp4",
        }
        different = {"seq": 1, "phase": "end", "ended_at": "2026-11-23T08:31:30.500000Z", "reason": "over"}
        assert last.model_dump() == first.model_dump() | different
        door.put([], [end()])
        assert box.counters.counts()["event_failures"] == {"an end without a beginning": 1}
        yard = box.desk.open("yard")
        yard.put([], [once()])
        assert [(one.stream, one.seq) for one in box.kept()] == [("door", 0), ("door", 1), ("yard", 0)]
        assert len({one.id for one in box.kept()}) == 2


def test_without_pictures_where_nobody_wants_them(tmp_path):
    with running(tmp_path, snapshots=False) as box:
        box.desk.open("door").put([], [once()])
        assert box.kept()[0].snapshot is None


def test_under_a_clock_that_nobody_set(tmp_path, synced):
    synced.append("unsynced")
    with running(tmp_path, Broker()) as box:
        door = box.desk.open("door")
        door.put([], [begin(at=None)])
        door.put([], [end()])
        assert [(one.began_at, one.ended_at) for one in box.kept()] == [(None, None)] * 2
        synced.append("synced")
        assert box.chronicle.do(lambda db: EventBook(db).tidy(EventSettings(), NOW + 1e9)) == 0
        assert len(box.kept()) == 2, "nobody knows how old they are"


def test_each_is_sent_once_in_order_where_nothing_goes_wrong(tmp_path):
    broker = Broker()
    with running(tmp_path, broker) as box:
        door = box.desk.open("door")
        for n in range(300):
            door.put([], [once(NOW + n)])
        until(lambda: len(broker.heard) == 300)
        until(lambda: box.desk.queued() == {"events": 0})
    assert [one.seq for one in broker.heard] == list(range(300))
    assert box.counters.counts()["events/door"] == {"line once": 300}
    assert box.heard >= 300
    with running(tmp_path, later := Broker()) as again:
        again.desk.open("door").put([], [once()])
        until(lambda: later.heard)
        assert [one.seq for one in later.heard] == [300], "what has arrived is not sent again"


def test_a_broker_that_is_away_or_slow_holds_a_window(tmp_path):
    slow = Broker(settles=False)
    with running(tmp_path, slow) as box:
        door = box.desk.open("door")
        door.put([], [once(NOW + n) for n in range(200)])
        until(lambda: len(slow.heard) == 64)
        assert box.desk.queued() == {"events": 200}
        for settled in slow.open[:10]:
            settled()
        until(lambda: len(slow.heard) == 74)
        box.broker = broker = Broker()  # another connection, which knows nothing of the last one
        until(lambda: len(broker.heard) == 190)
        assert [one.seq for one in broker.heard] == list(range(10, 200))


@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_killed_when_each_is_told_and_in_order(tmp_path, seed):
    """Kills come at any step: before the broker has it, before the book knows that, after that."""
    chance = random.Random(seed)
    seen, put = [], 0
    for run in range(6):
        broker = Broker(settles=chance.random() < 0.5)
        box = Box(tmp_path, broker).start()
        door = box.desk.open("door")
        for _ in range(chance.randrange(1, 40)):
            door.put([PASSAGE], [once(NOW + put)])
            put += 1
            if broker.open and chance.random() < 0.5:
                broker.open.pop(0)()
        if chance.random() < 0.5:
            until(lambda broker=broker: broker.heard)
        (box.kill if run < 5 else box.stop)()
        seen.append([one.seq for one in broker.heard])
    with running(tmp_path, last := Broker()) as box:
        until(lambda: box.desk.queued() == {"events": 0})
        assert box.chronicle.do(lambda db: CountBook(db).within("door", "a", (0, 1e12)))["in"] == put
    seen.append([one.seq for one in last.heard])
    assert set(itertools.chain(*seen)) == set(range(put)), "each at least once"
    for heard in seen:
        assert heard == sorted(set(heard)), "in order, and within one connection once"


def test_what_a_killed_run_left_open_ended_when_it_was_looked_at_last(tmp_path):
    killed = Box(tmp_path).start()
    counts = killed.counts.open("door", ["a"], [])
    door, yard = killed.desk.open("door"), killed.desk.open("yard")
    door.put([], [begin(), begin("zone/till/7")])
    door.put([], [end("zone/till/7")])
    yard.put([], [begin(at=NOW + 5)])
    counts.looked(NOW)
    counts.looked(NOW + 20)
    killed.kill()
    with running(tmp_path, broker := Broker()) as box:
        until(lambda: len(broker.heard) == 6)
        killed_at_door, killed_at_yard = broker.heard[4:]
        first = broker.heard[0]
        assert (killed_at_door.id, killed_at_door.phase, killed_at_door.reason) == (first.id, "end", "killed")
        assert killed_at_door.ended_at == "2026-11-23T08:30:20.000000Z"
        assert killed_at_yard.ended_at == killed_at_yard.began_at, "nobody ever looked"
        box.desk.open("door").put([], [begin(at=NOW + 100)])
        until(lambda: len(broker.heard) == 7)
        assert broker.heard[-1].id != first.id
    phases: dict[str, list[str]] = {}
    for one in broker.heard:
        phases.setdefault(one.id, []).append(one.phase)
    assert sorted(phases.values()) == [["begin"], *[["begin", "end"]] * 3]


def test_who_was_told_that_it_began_is_told_that_the_killed_ended(tmp_path):
    killed = Box(tmp_path).start()
    door = killed.desk.open("door")
    door.put([], [begin(actions=("phone",), at_end=("phone", "desk")), begin("rule/other")])
    killed.kill()
    with running(tmp_path, broker := Broker()) as box:
        until(lambda: len(broker.heard) == 4)
        due = box.chronicle.do(lambda db: db.execute("SELECT action, event FROM actions").fetchall())
    assert due == [("phone", 1), ("phone", 3), ("desk", 3)]
    assert (broker.heard[2].id, broker.heard[2].phase) == (broker.heard[0].id, "end")


def test_ends_of_the_killed_wait_for_a_full_disk_and_stay_first(tmp_path, monkeypatch):
    killed = Box(tmp_path).start()
    killed.desk.open("door").put([], [begin()])
    killed.kill()
    real, full = EventBook.put, [True]

    def put(self, noted, now):
        if full[0]:
            raise sqlite3.OperationalError("database or disk is full")
        real(self, noted, now)

    monkeypatch.setattr(EventBook, "put", put)
    with running(tmp_path, broker := Broker()) as box:
        box.desk.open("door").put([], [begin(at=NOW + 1), end(lasted=1.0)])
        full[0] = False
        until(lambda: len(broker.heard) == 4)
        assert [(one.phase, one.reason) for one in broker.heard] == [
            ("begin", None),
            ("end", "killed"),
            ("begin", None),
            ("end", "over"),
        ]


def test_a_disk_that_is_full_for_a_while_loses_and_doubles_none(tmp_path):
    with running(tmp_path, broker := Broker()) as box:
        box.counts.open("door", ["a"], [])
        door = box.desk.open("door")
        door.put([PASSAGE], [once()])
        pages = box.chronicle._db.execute("PRAGMA page_count").fetchone()[0]
        box.chronicle._db.execute(f"PRAGMA max_page_count = {pages + 2}")
        for n in range(100):
            door.put([PASSAGE], [once(NOW + n)])
        assert "disk is full" in box.chronicle.state()
        full_at = box.told[-1].in_
        assert full_at < 101
        box.chronicle._db.execute("PRAGMA max_page_count = 100000")
        until(lambda: len(broker.heard) == 101)
        assert [one.seq for one in broker.heard] == list(range(101))
        assert box.told[-1].in_ == 101
        assert box.chronicle.state() == "running"


def test_rules_are_told_on_change_after_a_reconnect_and_after_a_kill(tmp_path):
    broker = Broker()
    killed = Box(tmp_path, broker).start()
    door = killed.desk.open("door")
    door.standings({"queue": Standing(False, None), "visitor": Standing(False, NOW)})
    door.standings({"queue": Standing(True, NOW), "visitor": Standing(False, NOW)})
    until(lambda: len(broker.rules) >= 3)
    assert {rule: said for rule, *said in broker.rules} == {
        "queue": [True, "2026-11-23T08:30:00.000000Z"],
        "visitor": [False, "2026-11-23T08:30:00.000000Z"],
    }
    killed.broker = other = Broker()
    until(lambda: len(other.rules) == 2)
    killed.kill()
    with running(tmp_path, later := Broker()) as box:
        until(lambda: len(later.rules) == 2)
        assert ("queue", None, None) in later.rules, "nobody knows whether it still holds"
        assert ("visitor", False, "2026-11-23T08:30:00.000000Z") in later.rules
        box.desk.open("door").standings({"visitor": Standing(False, None), "queue": Standing(False, None)})
        assert later.rules[2:] == [("queue", False, None)], "when the last visitor came is known"
        box.desk.rules.keep_only(["visitor"])
        box.broker = last = Broker()
        until(lambda: last.rules)
        assert [rule for rule, *_ in last.rules] == ["visitor"]
    with running(tmp_path, again := Broker()):
        until(lambda: again.rules)
        assert [rule for rule, *_ in again.rules] == ["visitor"], "what is gone is gone on disk, too"


def test_actions_are_put_down_with_their_event(tmp_path):
    with running(tmp_path) as box:
        door = box.desk.open("door")
        door.put([], [begin(actions=("phone", "desk"))])
        door.put([], [end(actions=("desk",))])
        rows = box.chronicle.do(lambda db: db.execute("SELECT action, event, tries FROM actions").fetchall())
        assert rows == [("phone", 1, 0), ("desk", 1, 0), ("desk", 2, 0)]
        assert set(door.acted()) == {"queue"}
        assert abs(door.acted()["queue"] - time.time()) < 60


def test_open_streams_are_ticked(tmp_path, monkeypatch):
    monkeypatch.setattr(desks, "TICK_S", 0.02)
    ticks = []
    with running(tmp_path) as box:
        door = box.desk.open("door", lambda: ticks.append(1))
        until(lambda: len(ticks) >= 3)
        door.close()
        time.sleep(0.1)
        seen = len(ticks)
        time.sleep(0.2)
        assert len(ticks) == seen


def test_old_ones_are_not_sent_and_later_forgotten(tmp_path):
    with running(tmp_path) as box:
        door = box.desk.open("door")
        door.put([], [once(), begin(actions=("phone",))])
        settings, day = EventSettings(), 86400

        def tidied(now):
            return box.chronicle.do(lambda db: EventBook(db).tidy(settings, now))

        assert tidied(time.time() + 6 * day) == 0
        assert tidied(time.time() + 8 * day) == 2
        assert (box.desk.queued(), len(box.kept())) == ({"events": 0}, 2)
        assert tidied(time.time() + 31 * day) == 0
        assert box.kept() == []
        assert box.chronicle.do(lambda db: db.execute("SELECT COUNT(*) FROM actions").fetchone()) == (0,)
        door.put([], [once()])
        assert (box.kept()[0].seq, box.desk.newest()) == (2, 3), "no number is used again"


def test_they_are_bounded_in_bytes(tmp_path):
    with running(tmp_path, max_bytes=100_000) as box:
        door = box.desk.open("door")
        door.put([], [once(NOW + n) for n in range(500)])
        box.desk._tidy()
        kept = box.kept(limit=1000)
        size = sum(len(one.body) + 200 for one in box.desk.kept(EventQuery(limit=1000)))
        assert 95_000 < size < 100_000 + 1000
        assert kept[-1].seq == 499
        assert box.counters.counts()["event_failures"] == {"never sent: too old or too many": 500 - len(kept)}


def test_what_somebody_asks_for(tmp_path):
    with running(tmp_path) as box:
        door, yard = box.desk.open("door"), box.desk.open("yard")
        door.put([], [once(NOW), once(NOW + 60), begin(at=NOW + 120)])
        yard.put([], [once(NOW + 180)])
        door.put([], [end(lasted=3600.0)])

        def seqs(**wanted):
            kept = box.desk.kept(EventQuery(**wanted))
            return [(m["stream"][0], m["seq"]) for m in (orjson.loads(one.body) for one in kept)]

        assert seqs() == [("d", 3), ("y", 0), ("d", 2), ("d", 1), ("d", 0)]
        assert seqs(stream="yard") == [("y", 0)]
        assert seqs(rule="queue") == [("d", 3), ("d", 2)]
        assert seqs(kind="rule", limit=1) == [("d", 3)]
        assert seqs(begin=NOW + 60, end=NOW + 180) == [("d", 2), ("d", 1)]
        assert seqs(begin=NOW + 3000) == [("d", 3)], "an end is when it ended"
        assert seqs(after=3) == [("d", 3), ("y", 0)]
        assert seqs(before=3, limit=1) == [("d", 1)]
        assert seqs(after=1, limit=2, oldest_first=True) == [("d", 1), ("d", 2)]
        assert seqs(begin=NOW, stream="door", rule="queue", kind="rule", before=4) == [("d", 2)]
        assert seqs(begin=NOW + 60, after=2, oldest_first=True) == [("d", 2), ("y", 0), ("d", 3)]


@pytest.mark.parametrize(
    "wanted",
    [
        {"begin": NOW},
        {"end": NOW},
        {"begin": NOW, "end": NOW + 60},
        {"begin": NOW, "kind": "zone"},
        {"end": NOW, "stream": "door", "rule": "queue", "before": 7},
        {"begin": NOW, "after": 7},
        {"kind": "zone"},
        {"stream": "yard"},
        {"rule": "queue"},
    ],
    ids=str,
)
def test_no_question_reads_the_whole_table(tmp_path, wanted):
    with closing(open_counts(tmp_path / "counts.db", Counters())) as db:
        statement, values = query_of(EventQuery(**wanted))
        steps = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
    assert any(" USING " in step for step in steps)
    assert [step for step in steps if "SCAN" in step] == []
    in_time = [step for step in steps if "events_at" in step]
    assert all("COVERING INDEX events_at (at" in step for step in in_time)
    assert bool(in_time) is bool({"begin", "end"} & wanted.keys())
