"""Stream messages as they come, as server-sent events."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from edged.flow.counters import Counters
from edged.http.failures import failure

WAITING = 32
"""Messages that may wait for a slow client; then the oldest are dropped and counted."""
MOST_LISTENERS = 32
"""One more is answered 503."""
HEARTBEAT_S = 15.0
"""A comment is sent when nothing else was for so long: proxies keep the connection, we notice who left."""
RETRY_MS = 2000
"""What a client is told to wait before it connects again."""


class _Listener:
    """One client."""

    def __init__(self, stream: str | None) -> None:
        self.stream = stream
        self.bodies: deque[bytes] = deque(maxlen=WAITING)
        self.arrived = asyncio.Event()


class ResultFeed:
    """A sink: `publish` never blocks, from any thread, and costs nothing while nobody listens."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._listeners: tuple[_Listener, ...] = ()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    def publish(self, stream: str, service: str, body: bytes) -> None:
        """Leave an encoded stream message for everyone who wants those of this stream."""
        for listener in self._listeners:
            if listener.stream is not None and listener.stream != stream:
                continue
            if len(listener.bodies) == WAITING:
                self._counters.count("http_results_dropped", "the client is too slow")
            listener.bodies.append(body)
            if not listener.arrived.is_set() and self._loop is not None:  # it may be taking the last one
                with suppress(RuntimeError):  # the loop has ended, and its clients with it
                    self._loop.call_soon_threadsafe(listener.arrived.set)

    async def respond(self, request: Request) -> Response:
        """`GET /api/results?stream=<name>`; without `stream`, those of all streams."""
        if self._closed or len(self._listeners) >= MOST_LISTENERS:
            return failure(503, f"{len(self._listeners)} clients listen already; close one of them")
        self._loop = asyncio.get_running_loop()
        events = self._events(_Listener(request.query_params.get("stream")))
        return StreamingResponse(
            events, media_type="text/event-stream", headers={"Cache-Control": "no-store"}
        )

    def close(self) -> None:
        """Let all clients go; called in the loop's thread."""
        self._closed = True
        for listener in self._listeners:
            listener.arrived.set()

    async def _events(self, listener: _Listener) -> AsyncIterator[bytes]:
        self._listeners = (*self._listeners, listener)
        try:
            yield b"retry: %d\n\n" % RETRY_MS
            while not self._closed:
                try:
                    await asyncio.wait_for(listener.arrived.wait(), HEARTBEAT_S)
                except TimeoutError:
                    yield b": nothing new\n\n"
                    continue
                listener.arrived.clear()
                while listener.bodies:
                    yield b"event: result\ndata: %s\n\n" % listener.bodies.popleft()
        finally:
            self._listeners = tuple(other for other in self._listeners if other is not listener)
