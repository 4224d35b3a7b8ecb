"""`GET /api/events`: what happened before cameras and microphones; as server-sent events, what happens."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, get_args

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from edged.contracts.described import Described
from edged.contracts.errors import BadRequest, NotReady
from edged.contracts.message import EventMessage
from edged.counts.calendar import Calendar
from edged.counts.desk import CountDesk
from edged.events.archive import EventQuery, NumberedEvent
from edged.events.desk import EventDesk
from edged.events.happening import Kind
from edged.http.counts import moment
from edged.http.failures import failure
from edged.http.results import HEARTBEAT_S, MOST_LISTENERS, RETRY_MS

MOST = 1000
"""Events in one answer."""
_STREAM = "text/event-stream"
_KNOWN = frozenset(("stream", "rule", "event", "from", "to", "after", "before", "limit"))
_NO_STORE = {"Cache-Control": "no-store"}


class KeptEvent(EventMessage):
    """An event message as it is kept."""

    number: int
    """Counts the events of this box in the order in which they were put down; none is used again."""


class EventsAnswer(Described):
    """Events that are kept."""

    events: list[KeptEvent]
    """The newest first. There may be more where there are as many as `limit`: ask again with `before`."""


class EventPages:
    """The address of events. Lives in the loop's thread, but for `wake`."""

    def __init__(
        self,
        desk: Callable[[], EventDesk],
        counts: Callable[[], CountDesk],
        in_thread: Callable[[Callable[[], Any]], Awaitable[Any]],
    ) -> None:
        """`desk` and `counts` raise `NotReady` while nothing is kept; `in_thread` runs what may take a
        second."""
        self._desk = desk
        self._counts = counts
        self._in_thread = in_thread
        self._followers: tuple[asyncio.Event, ...] = ()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    def wake(self) -> None:
        """There are new events; from any thread."""
        if self._followers and self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended, and its clients with it
                self._loop.call_soon_threadsafe(self._wake_all)

    def close(self) -> None:
        """Let all followers go."""
        self._closed = True
        self._wake_all()

    async def respond(self, request: Request) -> Response:
        """JSON; where the client accepts server-sent events, those that come, and first those `after` one."""
        desk = self._desk()
        wanted = _wanted(request, self._counts().calendar)
        if _STREAM not in request.headers.get("accept", ""):
            found: list[NumberedEvent] = await self._in_thread(lambda: desk.kept(wanted))
            body = b'{"events":[%s]}' % b",".join(map(_numbered, found))
            return Response(body, media_type="application/json", headers=_NO_STORE)
        if self._closed or len(self._followers) >= MOST_LISTENERS:
            return failure(503, f"{len(self._followers)} clients follow already; close one of them")
        self._loop = asyncio.get_running_loop()
        last = _number(request.headers.get("last-event-id"), "Last-Event-ID")
        newest: int = await self._in_thread(desk.newest)
        after = next((said for said in (last, wanted.after) if said is not None), newest)
        events = self._follow(desk, replace(wanted, after=min(after, newest), limit=MOST, oldest_first=True))
        return StreamingResponse(events, media_type=_STREAM, headers=_NO_STORE)

    async def _follow(self, desk: EventDesk, wanted: EventQuery) -> AsyncIterator[bytes]:
        """What the book has after the last one, whenever there is something new: nobody misses any."""
        arrived = asyncio.Event()
        self._followers = (*self._followers, arrived)
        try:
            yield b"retry: %d\n\n" % RETRY_MS
            while not self._closed:
                arrived.clear()
                found: list[NumberedEvent] = await self._in_thread(lambda: desk.kept(wanted))  # noqa: B023 - awaited
                for one in found:
                    yield b"id: %d\nevent: event\ndata: %s\n\n" % (one.number, _numbered(one))
                if found:
                    wanted = replace(wanted, after=found[-1].number)
                    continue
                try:
                    await asyncio.wait_for(arrived.wait(), HEARTBEAT_S)
                except TimeoutError:
                    yield b": nothing new\n\n"
        except NotReady:  # the client comes again, and says how far it had come
            return
        finally:
            self._followers = tuple(other for other in self._followers if other is not arrived)

    def _wake_all(self) -> None:
        for arrived in self._followers:
            arrived.set()


def _numbered(one: NumberedEvent) -> bytes:
    return b'{"number":%d,%s' % (one.number, one.body[1:])


def _wanted(request: Request, calendar: Calendar) -> EventQuery:
    query = request.query_params
    if unknown := sorted(query.keys() - _KNOWN):
        raise BadRequest(f"there is no parameter `{unknown[0][:50]}`; there are {', '.join(sorted(_KNOWN))}")
    if (kind := query.get("event") or None) not in (None, *get_args(Kind)):
        raise BadRequest(f"`event` must be one of {', '.join(get_args(Kind))}, not {str(kind)[:20]!r}")
    return EventQuery(
        query.get("stream") or None,
        query.get("rule") or None,
        kind,
        moment(query.get("from"), "from", calendar, None),
        moment(query.get("to"), "to", calendar, None),
        _number(query.get("after"), "after"),
        _number(query.get("before"), "before"),
        min(MOST, _number(query.get("limit"), "limit") or EventQuery.limit),
    )


def _number(text: str | None, name: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise BadRequest(f"`{name}` must be a number, not {text[:20]!r}")
    return int(text)
