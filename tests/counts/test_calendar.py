"""Days of 23, 24 and 25 hours, hours that come twice, and times that clients write."""

from datetime import UTC, datetime

import pytest

from edged.counts.calendar import Calendar, box_zone, zone_named

BERLIN = Calendar(zone_named("Europe/Berlin"))


def utc(*parts) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("zone", "at", "begins", "hours"),
    [
        ("Europe/Berlin", utc(2026, 7, 1, 12), utc(2026, 6, 30, 22), 24),
        ("Europe/Berlin", utc(2026, 3, 29, 12), utc(2026, 3, 28, 23), 23),
        ("Europe/Berlin", utc(2026, 10, 25, 12), utc(2026, 10, 24, 22), 25),
        ("Europe/Berlin", utc(2026, 10, 25, 22, 59, 59), utc(2026, 10, 24, 22), 25),
        ("Europe/Berlin", utc(2026, 10, 25, 23), utc(2026, 10, 25, 23), 24),
        ("America/Sao_Paulo", utc(2018, 11, 4, 12), utc(2018, 11, 4, 3), 23),  # midnight itself is left out
        ("America/Havana", utc(2026, 11, 1, 12), utc(2026, 11, 1, 4), 25),  # midnight comes twice
        ("Asia/Kathmandu", utc(2026, 7, 1, 18, 15), utc(2026, 7, 1, 18, 15), 24),
    ],
)
def test_a_day_is_as_long_as_people_have_it(zone, at, begins, hours):
    begin, end = Calendar(zone_named(zone)).day(at)
    assert (begin, (end - begin) / 3600) == (begins, hours)


def test_an_hour_that_comes_twice_is_two():
    first, second = utc(2026, 10, 25, 0, 30), utc(2026, 10, 25, 1, 30)
    assert [BERLIN.hour(at) for at in (first, second)] == [
        (utc(2026, 10, 25, 0), utc(2026, 10, 25, 1)),
        (utc(2026, 10, 25, 1), utc(2026, 10, 25, 2)),
    ]
    assert BERLIN.iso(first) == "2026-10-25T02:30:00+02:00"
    assert BERLIN.iso(second) == "2026-10-25T02:30:00+01:00"


def test_an_hour_begins_where_people_say_so():
    assert Calendar(zone_named("Asia/Kathmandu")).hour(utc(2026, 7, 1, 12, 20))[0] == utc(2026, 7, 1, 12, 15)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-26", utc(2026, 11, 25, 23)),
        ("2026-11-26T08:00", utc(2026, 11, 26, 7)),
        ("2026-11-26 08:00", utc(2026, 11, 26, 7)),
        ("2026-11-26T08:00Z", utc(2026, 11, 26, 8)),
        ("2026-11-26T08:00 02:00", utc(2026, 11, 26, 6)),
    ],
)
def test_times_without_a_distance_from_utc_are_local(text, at):
    assert BERLIN.seconds(text) == at


def test_the_box_says_its_zone(monkeypatch):
    monkeypatch.setenv("TZ", ":Asia/Tokyo")
    assert box_zone().key == "Asia/Tokyo"
    monkeypatch.setenv("TZ", "nonsense/zone")
    assert box_zone().key == "UTC"


@pytest.mark.parametrize("name", ["Europe/Berlin2", "../../etc/passwd", ""])
def test_a_zone_that_there_is_not_is_refused_in_words(name):
    with pytest.raises(ValueError, match="this box knows no time zone"):
        zone_named(name)
