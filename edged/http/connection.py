"""One connection, bounded: uvicorn reads and writes HTTP, and this says how long and how much.

uvicorn bounds neither the time in which headers and body must arrive, nor (with httptools) the size of
headers, nor its patience with a client that does not read the answer.
"""

import asyncio
from enum import Enum, auto

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from edged.flow.room import giving_way, holder
from edged.http.failures import failure

MOST_CONNECTIONS = 128
"""For one more a stranger or an idle one gives way, else it is answered 503; twice as many are cut off."""
MOST_HEADERS = 100
MOST_HEADER_BYTES = 32_768
"""More of either is answered 431."""
KEEP_ALIVE_S = 75
"""So long a connection may be idle between two requests."""
STALL_S = 30.0
"""A client that reads nothing of its answer for so long is cut off."""
LINGER_S = 5.0
"""Closed at once, a connection on which data is still coming in would lose the answer that says why."""


class Phase(Enum):
    """What a connection waits for."""

    HEADERS = auto()
    BODY = auto()
    ANSWER = auto()
    REST = auto()
    """The remainder of a body that was answered before it was complete."""
    IDLE = auto()
    REFUSED = auto()
    """The client reads why, and closes."""


PATIENCE_S = {
    Phase.HEADERS: 10.0,
    Phase.BODY: 120.0,
    Phase.REST: LINGER_S,
    Phase.IDLE: KEEP_ALIVE_S,
    Phase.REFUSED: LINGER_S,
}
"""Seconds within which a phase must end. The pipeline bounds how long an answer takes."""
LEAST_BROUGHT = 1_000_000
"""Bytes of a long body that must come in within the time of a body: 8 kB a second."""


_LEFT = "left"
_LET_IN = "let in"
_LONG = "long"


def let_in(scope: Scope) -> None:
    """Tell the connection of a request that it is no stranger's."""
    scope["state"][_LET_IN] = True


def take_time(scope: Scope) -> None:
    """The body of this request may take longer, as long as enough of it comes in."""
    scope["state"][_LONG] = True


def left(scope: Scope) -> bool:
    """Whether the client of a request went away. Cheaper than to ask for its next message."""
    return _LEFT in scope["state"]


class BoundedConnection(HttpToolsProtocol):
    """A connection that knows when it is overdue; who sweeps cuts it off then."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._header_bytes = 0
        self._stalled_at: float | None = None
        self._closing_at: float | None = None
        self._known = False
        self.address = holder(self.client[0]) if self.client else ""
        self._enter(Phase.HEADERS)
        if len(self.connections) > 2 * MOST_CONNECTIONS:
            transport.abort()
        elif len(self.connections) > MOST_CONNECTIONS:
            self._find_room()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self.scope is not None:
            self.scope["state"][_LEFT] = True

    @property
    def known(self) -> bool:
        """Whether a request of this connection was let in."""
        return self._known or (self.scope is not None and _LET_IN in self.scope["state"])

    @property
    def spare(self) -> bool:
        """Whether it waits for a request, so that no answer is lost with it."""
        return self._phase in (Phase.HEADERS, Phase.IDLE)

    @property
    def since(self) -> float:
        """When it began to wait for what it waits for; the loop's time."""
        return self._since

    @property
    def present(self) -> bool:
        """Whether it takes a place: it is neither refused nor being closed."""
        return self._phase is not Phase.REFUSED and not self.transport.is_closing()

    def overdue(self, now: float) -> bool:
        """Whether to cut the connection off; `now` is the loop's time."""
        if self._closing_at is None and self.transport.is_closing():
            self._closing_at = now
        return (
            now - self._since > PATIENCE_S.get(self._phase, float("inf"))
            or (self._stalled_at is not None and now - self._stalled_at > STALL_S)
            or (self._closing_at is not None and now - self._closing_at > LINGER_S)
        )

    def data_received(self, data: bytes) -> None:
        if self._phase is Phase.REFUSED or self.transport.is_closing():
            return
        if self._phase is Phase.IDLE:
            self._enter(Phase.HEADERS)
        if self._phase is Phase.HEADERS:
            self._header_bytes += len(data)
        super().data_received(data)
        if self._phase is Phase.HEADERS and self._header_bytes > MOST_HEADER_BYTES:
            self._refuse(431, f"the headers have more than {MOST_HEADER_BYTES} bytes")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._phase is Phase.HEADERS:  # else it is a trailer, too late to change what is judged already
            super().on_header(name, value)

    def on_message_begin(self) -> None:
        self._known = self.known  # the next request has a scope of its own
        super().on_message_begin()
        self._enter(Phase.HEADERS)

    def on_headers_complete(self) -> None:
        if len(self.headers) > MOST_HEADERS:
            self._refuse(431, f"there are more than {MOST_HEADERS} headers")
        if self._phase is Phase.HEADERS:
            self._enter(Phase.BODY)
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._brought += len(body)
        if self._brought >= LEAST_BROUGHT and self._phase is Phase.BODY and _LONG in self.scope["state"]:
            self._enter(Phase.BODY)
        if self._phase is not Phase.REFUSED:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._phase is not Phase.REFUSED:
            super().on_message_complete()
            if not self.pipeline:  # uvicorn stops reading at a large piece: a client that leaves went unseen
                self.flow.resume_reading()
            self._enter(Phase.IDLE if self.cycle.response_complete else Phase.ANSWER)

    def on_response_complete(self) -> None:
        if self._phase is Phase.BODY:
            self._enter(Phase.REST)
        elif self._phase is Phase.ANSWER and not self.pipeline:
            self._enter(Phase.IDLE)
        super().on_response_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled_at = self.loop.time()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stalled_at = None

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "this is not a request of HTTP/1.1")

    def _find_room(self) -> None:
        """Take the place of another one, or say that there is none."""
        others = [c for c in self.connections if isinstance(c, BoundedConnection) and c is not self]
        present = [other for other in others if other.present]
        if len(present) < MOST_CONNECTIONS:
            return
        if (other := giving_way(present)) is not None:
            other.transport.abort()
        else:
            self._refuse(503, f"{MOST_CONNECTIONS} connections are open already; try again later")

    def _enter(self, phase: Phase) -> None:
        self._phase, self._since, self._brought = phase, self.loop.time(), 0
        if phase is Phase.HEADERS:
            self._header_bytes = 0

    def _refuse(self, code: int, message: str) -> None:
        """Say why, then wait for the client to close."""
        if self._phase is Phase.REFUSED or self.transport.is_closing():
            return
        self._enter(Phase.REFUSED)
        if self.cycle is not None and not self.cycle.response_complete:  # nobody answers twice
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if self.cycle.response_started:
                self.transport.abort()
                return
        answer = failure(code, message, {"Connection": "close"})
        head = [STATUS_LINE[code], *(name + b": " + value + b"\r\n" for name, value in answer.raw_headers)]
        self.transport.write(b"".join([*head, b"\r\n", bytes(answer.body)]))
        try:
            self.transport.write_eof()
        except OSError:  # the client is gone already
            self.transport.abort()
