"""The live picture of a stream, for people to look at: encoded while somebody does, once for all of them."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from typing import Protocol
from weakref import WeakValueDictionary

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from edged.contracts.errors import NotFound, NotReady
from edged.http.failures import failure

INTERVAL_S = 0.1
"""At least so long between two pictures."""
REPEAT_S = 10.0
"""A picture is sent again when no new one came for so long: we notice who left."""
MOST_VIEWERS = 32
"""One more is answered 503."""
BOUNDARY = b"edged-picture"

Picture = tuple[int, bytes]
"""Version and JPEG."""


class View(Protocol):
    """What one stream looks like now."""

    version: int
    """Of the newest picture that could be had; 0: none."""

    def jpeg(self, after: int = -1, wait_s: float = 0.0) -> Picture | None:
        """The picture once its version is above `after`; none: nothing new came within `wait_s`."""


class Views(Protocol):
    """What all streams look like."""

    def get(self, stream: str) -> View | None:
        """None: no such stream runs."""


class _Channel:
    """One stream that somebody looks at: the newest picture, asked for at most ten times a second.

    However many look, one at a time waits for the encoder, and everyone gets what it encoded.
    """

    def __init__(self, stream: str, views: Views, executor: Executor) -> None:
        self._stream = stream
        self._views = views
        self._executor = executor
        self._turn = asyncio.Lock()
        self._picture: Picture | None = None
        self._asked_at = float("-inf")

    async def newest(self) -> Picture | None:
        """None: there is nothing to show yet. Raises `NotFound` when the stream does not run."""
        loop = asyncio.get_running_loop()
        async with self._turn:
            view = self._views.get(self._stream)
            if view is None:
                raise NotFound(f"no stream {self._stream[:100]!r} runs")
            known = self._picture[0] if self._picture is not None else 0
            if view.version != known and loop.time() - self._asked_at >= INTERVAL_S / 2:
                self._asked_at = loop.time()
                self._picture = await loop.run_in_executor(self._executor, view.jpeg) or self._picture
            return self._picture


class LivePictures:
    """`GET /api/streams/<name>/live` and `.../snapshot`."""

    def __init__(self, views: Views, executor: Executor) -> None:
        self._views = views
        self._executor = executor
        self._channels: WeakValueDictionary[str, _Channel] = WeakValueDictionary()
        self._viewers = 0
        self._closed = False

    async def snapshot(self, request: Request) -> Response:
        """One picture."""
        stream = request.path_params["stream"]
        picture = await self._channel(stream).newest()
        if picture is None:
            raise NotReady(f"stream {stream!r} has shown no picture yet; try again later")
        return Response(picture[1], media_type="image/jpeg", headers={"Cache-Control": "no-store"})

    async def live(self, request: Request) -> Response:
        """Pictures for as long as the client looks and the stream runs."""
        channel = self._channel(request.path_params["stream"])
        await channel.newest()
        if self._viewers >= MOST_VIEWERS:
            return failure(503, f"{MOST_VIEWERS} viewers look already; close one of them")
        return StreamingResponse(
            self._parts(channel),
            media_type=f"multipart/x-mixed-replace; boundary={BOUNDARY.decode()}",
            headers={"Cache-Control": "no-store"},
        )

    def close(self) -> None:
        """Let all viewers go, within `INTERVAL_S`."""
        self._closed = True

    def _channel(self, stream: str) -> _Channel:
        channel = self._channels.get(stream)
        if channel is None:
            channel = self._channels[stream] = _Channel(stream, self._views, self._executor)
        return channel

    async def _parts(self, channel: _Channel) -> AsyncIterator[bytes]:
        """Each part ends with the boundary of the next: browsers show a picture only when they see that."""
        loop = asyncio.get_running_loop()
        self._viewers += 1
        try:
            yield b"--%s\r\n" % BOUNDARY
            version, sent_at = 0, loop.time()
            while not self._closed:
                started = loop.time()
                try:
                    picture = await channel.newest()
                except NotFound:  # it ended, or begins again with other settings
                    return
                if picture is not None and (picture[0] != version or started - sent_at > REPEAT_S):
                    version, sent_at = picture[0], started
                    yield _part(picture[1])
                await asyncio.sleep(max(0.0, started + INTERVAL_S - loop.time()))
        finally:
            self._viewers -= 1


def _part(jpeg: bytes) -> bytes:
    head = b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg)
    return b"%s%s\r\n--%s\r\n" % (head, jpeg, BOUNDARY)
