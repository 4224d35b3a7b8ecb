"""`GET /api/counts`: JSON and CSV, local times, faults in words, and the token."""

import csv
import io
import json

import pytest

from edged.counts.calendar import Calendar, zone_named
from edged.counts.chronicle import Chronicle
from edged.counts.desk import CountDesk
from edged.http.counts import CountsAnswer
from edged.ops.movements import Crossing
from tests.counts.crossings import cross

TOKEN = "a-token-of-sixteen-characters"


@pytest.fixture
def counting(box, tmp_path, monkeypatch):
    """A box that has counted: two came, one left, in two hours of a day in Berlin."""
    monkeypatch.setattr("edged.flow.clock.state", lambda: "synced")
    calendar = Calendar(zone_named("Europe/Berlin"))
    chronicle = Chronicle(tmp_path / "counts.db", box.counters)
    desk = CountDesk(chronicle, calendar, lambda *_: None)
    desk.start()
    counts = desk.open("door", ["entrance"], [])
    for direction, at in (("in", "T08:10"), ("in", "T08:50"), ("out", "T09:00")):
        one = Crossing("entrance", direction, 1, "person", calendar.seconds(f"2026-11-26{at}"))
        cross(chronicle, desk, "door", one)
    counts.looked(calendar.seconds("2026-11-26T09:00"))
    counts.looked(calendar.seconds("2026-11-26T09:05"))
    box.counts = lambda: desk
    yield box
    desk.stop()


def get(box, query="", **headers):
    connection = box.connection()
    connection.request("GET", f"/api/counts{query}", headers=headers)
    answer = connection.getresponse()
    try:
        return answer, answer.read()
    finally:
        connection.close()


def test_json_by_local_hour(counting):
    answer, body = get(counting.start(), "?from=2026-11-26&to=2026-11-27")
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
    found = json.loads(body)
    CountsAnswer.model_validate(found)
    same = {"stream": "door", "line": "entrance", "class": "person"}
    assert found["rows"] == [
        {"start": "2026-11-26T08:00:00+01:00", **same, "in": 2, "out": 0},
        {"start": "2026-11-26T09:00:00+01:00", **same, "in": 0, "out": 1},
    ]
    assert found["gaps"] == [
        {"stream": "door", "from": "2026-11-26T09:00:00+01:00", "to": "2026-11-26T09:05:00+01:00"}
    ]
    assert (found["from"], found["time_zone"]) == ("2026-11-26T00:00:00+01:00", "Europe/Berlin")


@pytest.mark.parametrize(
    ("span", "numbers"),
    [
        ("from=2026-11-26T08:10&to=2026-11-26T08:50", [(1, 0)]),
        ("from=2026-11-26T07:10Z&to=2026-11-26T08:00Z", [(2, 0)]),
        ("from=2026-11-26T08:50:01&to=2026-11-26T09:00:01&stream=door&line=entrance", [(0, 1)]),
        ("from=2026-11-25&to=2026-11-26", []),
    ],
)
def test_the_end_is_not_included(counting, span, numbers):
    _, body = get(counting.start(), f"?{span}")
    assert [(row["in"], row["out"]) for row in json.loads(body)["rows"]] == numbers


@pytest.mark.parametrize("how", [("&format=csv", {}), ("", {"Accept": "text/csv"})])
def test_csv(counting, how):
    query, headers = how
    answer, body = get(counting.start(), f"?from=2026-11-26&to=2026-11-27{query}", **headers)
    assert answer.headers.get_content_type() == "text/csv"
    assert list(csv.reader(io.StringIO(body.decode()))) == [
        ["start", "stream", "line", "class", "in", "out"],
        ["2026-11-26T08:00:00+01:00", "door", "entrance", "person", "2", "0"],
        ["2026-11-26T09:00:00+01:00", "door", "entrance", "person", "0", "1"],
    ]


@pytest.mark.parametrize(
    ("query", "code", "says"),
    [
        ("?from=yesterday", 400, "`from` is no time: ISO 8601 is"),
        ("?from=2026-11-26&to=2026-11-25", 400, "`to` lies before `from`"),
        ("?lines=a", 400, "no parameter `lines`"),
        ("?format=xml", 400, "`format` must be `csv` or `json`"),
        ("?from=2026-11-26&stream=yard", 404, "nothing is counted at stream 'yard'"),
        ("?line=nowhere", 404, "nothing is counted at line 'nowhere'"),
    ],
)
def test_faults_are_told_in_words(counting, query, code, says):
    answer, body = get(counting.start(), query)
    assert answer.status == code
    assert says in json.loads(body)["error_msg"]


def test_where_nothing_is_counted(box):
    answer, body = get(box.start())
    assert (answer.status, json.loads(body)["error_msg"]) == (503, "nothing is counted here")


def test_counts_want_the_token(counting):
    counting.start(token=TOKEN)
    assert get(counting)[0].status == 401
    assert get(counting, Authorization=f"Bearer {TOKEN}")[0].status == 200
