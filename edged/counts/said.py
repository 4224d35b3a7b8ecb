"""What is told of a line and of a zone: it follows from the book, and from who is where."""

import time

from edged.contracts.happenings import BothWays, LineCounts, ZoneCounts
from edged.counts.book import CountBook
from edged.counts.calendar import Calendar
from edged.counts.stream import Inside
from edged.flow import clock
from edged.flow.clock import iso_utc


def trusted() -> bool:
    """Whether the wall clock may be right."""
    return clock.state() != "unsynced"


def line_counts(book: CountBook, calendar: Calendar, stream: str, line: str) -> LineCounts:
    """Of a line, now. Raises as the book."""
    standing, now = book.standing(stream, line), time.time()
    ways = {name: BothWays.model_validate(both) for name, both in standing.by_class.items()}

    def within(span: tuple[float, float]) -> BothWays | None:
        return BothWays.model_validate(book.within(stream, line, span)) if trusted() else None

    return LineCounts.model_validate(
        {
            "in": sum(both.in_ for both in ways.values()),
            "out": sum(both.out for both in ways.values()),
            "since": None if standing.since is None else iso_utc(standing.since),
            "by_class": ways,
            "today": within(calendar.day(now)),
            "hour": within(calendar.hour(now)),
        }
    )


def zone_counts(inside: Inside | None, zone: str) -> ZoneCounts:
    """Of a zone; `inside` is none while nobody knows."""
    if inside is None:
        return ZoneCounts(count=None, longest_since=None, by_class=None)
    names = [name for name, _ in inside[zone]]
    longest = min((since for _, since in inside[zone]), default=None)
    return ZoneCounts(
        count=len(names),
        longest_since=iso_utc(longest) if longest is not None and trusted() else None,
        by_class={name: names.count(name) for name in sorted(set(names))},
    )
