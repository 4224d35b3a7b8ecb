"""What is asked for comes from sums, and is what counting each crossing gives, whatever the span and day."""

from collections import Counter
from contextlib import closing
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edged.contracts.errors import TooLarge
from edged.counts import history as module
from edged.counts.book import CountBook, Passage
from edged.counts.calendar import Calendar
from edged.counts.history import _COUNTED, Asked, _wanted, history
from edged.counts.layout import open_counts
from edged.flow.counters import Counters

DAYS = {
    "Europe/Berlin": ("2026-03-29", "2026-10-25"),  # of 23 and of 25 hours
    "Asia/Kathmandu": ("2026-07-01",),  # a quarter off the hour
    "Australia/Lord_Howe": ("2026-10-04", "2026-04-05"),  # of 23 and a half hours, and of 24 and a half
}
PLACES = [(zone, day) for zone, days in DAYS.items() for day in days]
MOMENTS = st.tuples(st.integers(0, 17), st.sampled_from((-0.25, 0.0, 0.25, 450.0))).map(
    lambda near: 900 * near[0] + near[1]
)
"""After midnight, near the begin of a quarter of an hour or within one; many are the same."""
PASSAGES = st.tuples(
    MOMENTS, st.sampled_from("ab"), st.sampled_from(("in", "out")), st.sampled_from(("x", "y"))
)


def counted(crossings, calendar, begin, end):
    """Crossing by crossing."""
    return Counter(
        (calendar.hour(at)[0], line, kind, way) for at, line, way, kind in crossings if begin <= at < end
    )


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(PLACES),
    st.lists(PASSAGES, min_size=20, max_size=60),
    st.tuples(MOMENTS, MOMENTS),
    st.integers(0, 30),
)
def test_sums_tell_what_each_crossing_tells(tmp_path_factory, place, passages, span, gone):
    zone, day = place
    calendar = Calendar(ZoneInfo(zone))
    first = datetime.fromisoformat(day).replace(tzinfo=calendar.zone).timestamp()
    crossings = [(first + at, line, way, kind) for at, line, way, kind in passages]
    path = tmp_path_factory.mktemp("counts") / "counts.db"
    with closing(open_counts(path, Counters())) as db:
        db.execute("BEGIN")
        CountBook(db).count("door", [Passage(line, way, kind, 1, at) for at, line, way, kind in crossings])
        db.execute("DELETE FROM crossings WHERE id <= ?", (gone,))
        db.execute("COMMIT")
    begin, end = sorted(first + at for at in span)
    found: Counter[tuple[float, str, str, str]] = Counter()
    rows = history(path, calendar, Asked(begin, end)).rows
    for row in rows:
        found[row.at, row.line, row.class_name, "in"] += row.came
        found[row.at, row.line, row.class_name, "out"] += row.left
    assert {at: number for at, number in found.items() if number} == counted(
        crossings[gone:], calendar, begin, end
    )
    assert all(row.came or row.left for row in rows), "what was forgotten leaves no empty hours"
    assert [row.at for row in rows] == sorted(row.at for row in rows)
    assert len({(row.at, row.line, row.class_name) for row in rows}) == len(rows)


def test_a_long_time_is_read_from_sums_and_a_day_reads_no_other_days(tmp_path):
    """Of the crossings, at most those of a quarter of an hour at either end are read."""
    wanted = _wanted(Asked(100.0, 1e9 + 100.0))
    assert (wanted["head"], wanted["tail"]) == (900, 1e9 // 900 * 900)
    with closing(open_counts(tmp_path / "counts.db", Counters())) as db:
        steps = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {_COUNTED}", wanted)]
    assert steps.count("SCAN lines") == 3, "few"
    assert "SEARCH quarters USING PRIMARY KEY (stream=? AND line=? AND quarter>? AND quarter<?)" in steps
    by_time = "SEARCH crossings USING INDEX crossings_at (stream=? AND line=? AND at>? AND at<?)"
    assert steps.count(by_time) == 2


def test_too_much_is_told(tmp_path, monkeypatch):
    path = tmp_path / "counts.db"
    with closing(open_counts(path, Counters())) as db:
        CountBook(db).count("door", [Passage("a", "in", "x", 1, 900.0 * n) for n in range(4)])
    calendar = Calendar(ZoneInfo("UTC"))
    monkeypatch.setattr(module, "MOST_ROWS", 4)
    assert len(history(path, calendar, Asked(0, 1e9)).rows) == 1
    monkeypatch.setattr(module, "MOST_ROWS", 3)
    with pytest.raises(TooLarge, match="more than 3 rows"):
        history(path, calendar, Asked(0, 1e9))
