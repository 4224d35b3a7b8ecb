"""`GET /api/events`: what is kept, what is asked for, and following it without missing any."""

from contextlib import closing, contextmanager

import orjson
import pytest

from edged.counts.calendar import Calendar, zone_named
from edged.counts.chronicle import Chronicle
from edged.counts.desk import CountDesk
from edged.events.desk import EventDesk, Surroundings
from edged.events.event_settings import EventSettings
from edged.events.happening import Happening
from edged.flow.counters import Counters
from edged.http import events as pages
from edged.http.events import EventsAnswer
from tests.broker import until
from tests.http.test_results import Listener

BERLIN = Calendar(zone_named("Europe/Berlin"))
TOKEN = "a-token-of-sixteen-characters"


class Book:
    """A desk of events, and ways to make some happen."""

    def __init__(self, folder, heard):
        self.chronicle = Chronicle(folder / "counts.db", Counters())
        self.counts = CountDesk(self.chronicle, BERLIN, lambda *_: None)
        nothing = lambda stream: None  # noqa: E731
        around = Surroundings(self.counts.entry, lambda: None, heard, nothing, nothing)
        self.desk = EventDesk("box", EventSettings(), self.chronicle, Counters(), around)
        self.units = (self.chronicle, self.counts, self.desk)
        for unit in self.units:
            unit.start()

    def crossed(self, at, stream="door", **more):
        facts = {"key": "line/a/7", "line": "a", "direction": "in", "class_name": "person", "track": 7}
        moment = BERLIN.seconds(f"2026-11-26{at}")
        self.desk.open(stream).put([], [Happening("line", "once", began_at=moment, **{**facts, **more})])

    def queued(self, at, lasted):
        door, facts = self.desk.open("door"), {"key": "rule/queue", "rule": "queue"}
        door.put([], [Happening("rule", "begin", began_at=BERLIN.seconds(f"2026-11-26{at}"), **facts)])
        door.put([], [Happening("rule", "end", began_at=None, lasted=lasted, reason="over", **facts)])

    def stop(self):
        for unit in reversed(self.units):
            unit.stop()


@pytest.fixture
def book(box, tmp_path, monkeypatch):
    """Two came, a queue was there, at another door somebody came."""
    monkeypatch.setattr("edged.flow.clock.state", lambda: "synced")
    made = Book(tmp_path, lambda: box.unit.wake_followers() if box.unit is not None else None)
    box.events, box.counts = lambda: made.desk, lambda: made.counts
    made.crossed("T08:10")
    made.crossed("T08:50")
    made.queued("T09:00", lasted=600.0)
    made.crossed("T10:00", stream="yard")
    yield made
    made.stop()


def numbers(box, query):
    return [event["number"] for event in box.get(f"/api/events{query}").json["events"]]


def test_the_newest_first(box, book):
    answer = box.start().get("/api/events")
    assert (answer.code, answer.headers["Cache-Control"]) == (200, "no-store")
    EventsAnswer.model_validate(answer.json)
    first, *_, last = answer.json["events"]
    assert (first["number"], first["stream"], first["began_at"]) == (5, "yard", "2026-11-26T09:00:00.000000Z")
    assert (last["number"], last["event"], last["direction"], last["class"]) == (1, "line", "in", "person")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?stream=yard", [5]),
        ("?rule=queue", [4, 3]),
        ("?event=line&stream=door", [2, 1]),
        ("?from=2026-11-26T08:50&to=2026-11-26T09:10", [3, 2]),
        ("?from=2026-11-26T09:00Z", [5]),
        ("?after=3", [5, 4]),
        ("?before=4&limit=2", [3, 2]),
        ("?limit=100000", [5, 4, 3, 2, 1]),
        ("?stream=nobody", []),
    ],
)
def test_what_is_asked_for(box, book, query, found):
    assert numbers(box.start(), query) == found


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("?from=yesterday", "`from` is no time: ISO 8601 is"),
        ("?lines=a", "no parameter `lines`; there are after, before, event"),
        ("?event=visit", "`event` must be one of line, zone, rule, not 'visit'"),
        ("?limit=many", "`limit` must be a number, not 'many'"),
        ("?after=-1", "`after` must be a number"),
        ("?after=99999999999999999999999", "`after` must be a number"),
    ],
)
def test_faults_are_told_in_words(box, book, query, says):
    answer = box.start().get(f"/api/events{query}")
    assert answer.code == 400
    assert says in answer.json["error_msg"]


def test_where_nothing_is_counted(box):
    answer = box.start().get("/api/events")
    assert (answer.code, answer.json["error_msg"]) == (503, "nothing is counted here")


def test_events_want_the_token(box, book):
    box.start(token=TOKEN)
    assert box.get("/api/events").code == 401
    assert box.get("/api/events", Authorization=f"Bearer {TOKEN}").code == 200


class Follower(Listener):
    """Reads events as they come."""

    def __init__(self, box, query="", **headers):
        self.connection = box.connection()
        said = {"Accept": "text/event-stream", **headers}
        self.connection.request("GET", f"/api/events{query}", headers=said)
        self.answer = self.connection.getresponse()
        if self.answer.status == 200:
            assert self.block() == [b"retry: 2000"]

    def next(self):
        """Number, stream and time of the next one."""
        id, name, data = self.block()
        body = orjson.loads(data.removeprefix(b"data: "))
        assert (id, name) == (b"id: %d" % body["number"], b"event: event")
        return body["number"], body["stream"], body["began_at"][11:16]


@contextmanager
def following(*args, **headers):
    with closing(Follower(*args, **headers)) as follower:
        yield follower


def test_what_happens_is_followed(box, book):
    box.start()
    with following(box) as all_of_it, following(box, "?stream=yard") as yard:
        assert all_of_it.answer.headers.get_content_type() == "text/event-stream"
        book.crossed("T11:00")
        book.crossed("T11:01", stream="yard")
        assert [all_of_it.next(), all_of_it.next()] == [(6, "door", "10:00"), (7, "yard", "10:01")]
        assert yard.next() == (7, "yard", "10:01")


@pytest.mark.parametrize(
    "how", [("?after=3", {}), ("", {"Last-Event-ID": "3"}), ("?after=1", {"Last-Event-ID": "3"})]
)
def test_who_comes_back_misses_none(box, book, how):
    query, headers = how
    with following(box.start(), query, **headers) as follower:
        assert [follower.next()[0] for _ in range(2)] == [4, 5]
        book.crossed("T11:00")
        assert follower.next()[0] == 6


def test_many_at_once_are_all_told(box, book, monkeypatch):
    monkeypatch.setattr(pages, "MOST", 3)
    with following(box.start()) as follower:
        for n in range(40):
            book.crossed(f"T11:{n:02}")
        assert [follower.next()[0] for _ in range(40)] == list(range(6, 46))


def test_who_had_more_than_there_is_follows_what_comes(box, book):
    """The file was set aside, so the numbers begin anew."""
    with following(box.start(), "", **{"Last-Event-ID": "1000"}) as follower:
        book.crossed("T11:00")
        assert follower.next()[0] == 6


def test_followers_are_bounded_and_go_with_the_server(box, book, monkeypatch):
    monkeypatch.setattr(pages, "MOST_LISTENERS", 1)
    box.start()
    with following(box) as follower:
        until(lambda: box.unit._app.events._followers)
        with following(box) as other:
            assert other.answer.status == 503
        box.unit.stop()
        assert follower.answer.read() == b""


def test_there_is_no_head_of_what_does_not_end(box, book):
    assert box.start().ask("HEAD", "/api/events").code == 405
