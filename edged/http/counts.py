"""`GET /api/counts?stream=&line=&from=&to=`: what cameras counted, by line, class and local hour."""

import csv
import io
import time
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, TypeVar

import orjson
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from edged.contracts.described import Described
from edged.contracts.errors import BadRequest
from edged.counts.calendar import Calendar
from edged.counts.desk import CountDesk
from edged.counts.history import Asked, History

Default = TypeVar("Default", float, None)

_CSV = "text/csv"
_KNOWN = frozenset(("stream", "line", "from", "to", "format"))


class CountedHour(Described):
    """How many of a class crossed a line within one local hour."""

    start: str
    """When the hour begins, ISO 8601 with its distance from UTC; one that comes twice, in autumn, is two."""
    stream: str
    """Name of the stream."""
    line: str
    """Name of the line."""
    class_: str = Field(alias="class")
    """Of what crossed."""
    in_: int = Field(alias="in")
    """From the left hand to the right of one who looks along the line, `from` to `to`."""
    out: int
    """The other way."""


class CountGap(Described):
    """A time in which nobody looked, so that nothing is known: the daemon or the camera was away."""

    stream: str
    """Name of the stream."""
    from_: str = Field(alias="from")
    """ISO 8601 with its distance from UTC."""
    to: str
    """Likewise."""


class CountsAnswer(Described):
    """What was counted from `from` on, before `to`. Hours in which nobody crossed are left out."""

    from_: str = Field(alias="from")
    """As asked for, else when today began: ISO 8601 with its distance from UTC."""
    to: str
    """As asked for, else now."""
    time_zone: str
    """By which hours and days are counted."""
    rows: list[CountedHour]
    """In the order of their hours."""
    gaps: list[CountGap]
    """In their order."""


class CountPages:
    """The address of counts. Lives in the loop's thread."""

    def __init__(
        self, desk: Callable[[], CountDesk], in_thread: Callable[[Callable[[], Any]], Awaitable[Any]]
    ) -> None:
        """`desk` raises `NotReady` while nothing is counted; `in_thread` runs what may take a second."""
        self._desk = desk
        self._in_thread = in_thread

    async def respond(self, request: Request) -> Response:
        """JSON, or CSV where `format=csv` or the header `Accept` wants it."""
        wants_csv = _wants_csv(request)
        desk = self._desk()
        asked = _asked(request, desk.calendar)
        body = await self._in_thread(lambda: _body(desk, asked, wants_csv))
        media_type = f"{_CSV}; charset=utf-8" if wants_csv else "application/json"
        return Response(body, media_type=media_type, headers={"Cache-Control": "no-store"})


def _wants_csv(request: Request) -> bool:
    query = request.query_params
    if unknown := sorted(query.keys() - _KNOWN):
        raise BadRequest(f"there is no parameter `{unknown[0][:50]}`; there are {', '.join(sorted(_KNOWN))}")
    if (wanted := query.get("format")) is None:
        return _CSV in request.headers.get("accept", "")
    if wanted not in ("csv", "json"):
        raise BadRequest(f"`format` must be `csv` or `json`, not {wanted[:20]!r}")
    return wanted == "csv"


def _asked(request: Request, calendar: Calendar) -> Asked:
    query, now = request.query_params, time.time()
    begin = moment(query.get("from"), "from", calendar, calendar.day(now)[0])
    end = moment(query.get("to"), "to", calendar, max(now, begin))
    if end < begin:
        raise BadRequest("`to` lies before `from`")
    return Asked(begin, end, query.get("stream") or None, query.get("line") or None)


def moment(text: str | None, name: str, calendar: Calendar, default: Default) -> float | Default:
    """What a parameter says, seconds since the epoch. Raises `BadRequest`."""
    try:
        return calendar.seconds(text) if text else default
    except (ValueError, OverflowError) as error:
        hint = "ISO 8601 is, such as 2026-11-26, 2026-11-26T08:00 (local) or 2026-11-26T08:00Z"
        raise BadRequest(f"`{name}` is no time: {hint}") from error


def _body(desk: CountDesk, asked: Asked, wants_csv: bool) -> bytes:
    found = desk.history(asked)
    return _table(found, desk.calendar) if wants_csv else _json(found, asked, desk.calendar)


def _json(found: History, asked: Asked, calendar: Calendar) -> bytes:
    rows = [_row(row) for row in _told(found, calendar)]
    gaps = [{"stream": s, "from": calendar.iso(a), "to": calendar.iso(b)} for s, a, b in found.gaps]
    span = {"from": calendar.iso(asked.begin), "to": calendar.iso(asked.end), "time_zone": calendar.name}
    return orjson.dumps(
        {**span, "rows": rows, "gaps": gaps}
    )  # tens of thousands: a model takes longer than all else


_COLUMNS = ("start", "stream", "line", "class", "in", "out")


def _told(found: History, calendar: Calendar) -> list[tuple[object, ...]]:
    iso = cache(calendar.iso)
    return [(iso(r.at), r.stream, r.line, r.class_name, r.came, r.left) for r in found.rows]


def _row(values: tuple[object, ...]) -> dict[str, object]:
    return dict(zip(_COLUMNS, values, strict=True))


def _table(found: History, calendar: Calendar) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    writer.writerows(_told(found, calendar))
    return text.getvalue().encode()
