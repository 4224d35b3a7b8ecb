"""`POST /api/uploads`: a recording or a video, sent ahead of the request that names it as `upload:<id>`."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import ExitStack
from typing import TypeVar

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from edged.artefacts.store import ArtefactStore, Draft
from edged.contracts.described import Described
from edged.contracts.errors import BadRequest, QueueFull
from edged.http.connection import take_time
from edged.http.failures import failure
from edged.media.fetch import UPLOAD, ByteLimit

MOST_AT_A_TIME = 4
"""One more is answered 429."""
PIECE = 1_000_000
"""Bytes that are held of one until they are written down."""
T = TypeVar("T")


class UploadAnswer(Described):
    """What is answered to an upload."""

    url: str
    """`upload:<id>`, for `input.url` of requests to this box, over HTTP or MQTT. Nobody guesses it."""


class UploadDesk:
    """Writes what comes in to the disk, in threads; lives in the loop's thread."""

    def __init__(self, store: ArtefactStore, limit: ByteLimit, threads: Executor) -> None:
        self._store = store
        self._limit = limit
        self._threads = threads
        self._coming = 0

    async def respond(self, request: Request) -> Response:
        """201 once all of it is here. Raises `TooLarge`, `QueueFull`, `BadRequest`, `StoreFailed`."""
        self._check(int(request.headers.get("content-length", 0)))
        if self._coming >= MOST_AT_A_TIME:
            raise QueueFull(f"{MOST_AT_A_TIME} uploads are coming in already; try again later")
        self._coming += 1
        take_time(request.scope)
        try:
            with ExitStack() as held:
                draft = await self._in_thread(lambda: held.enter_context(self._store.draft("")))
                await self._written(request, draft)
                upload = await self._in_thread(draft.keep)
        except ClientDisconnect:
            return failure(400, "the upload ended too soon")
        finally:
            self._coming -= 1
        told = UploadAnswer(url=f"{UPLOAD}:{upload.id}")
        return Response(orjson.dumps(told.model_dump()), 201, media_type="application/json")

    async def _written(self, request: Request, draft: Draft) -> None:
        piece, size = bytearray(), 0
        async for chunk in request.stream():
            size += len(chunk)
            self._check(size)
            piece += chunk
            if len(piece) >= PIECE or not chunk:
                whole, piece = piece, bytearray()
                await self._in_thread(lambda whole=whole: draft.file.write(whole))  # type: ignore[misc]
        if not size:
            raise BadRequest("the upload is empty; its body is the file itself")

    def _check(self, size: int) -> None:
        if size > self._limit.most:
            raise self._limit.exceeded()

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)
