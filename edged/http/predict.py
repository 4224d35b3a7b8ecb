"""`POST /api/predict/<service>`: a request into the same queue as over MQTT, and its one answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from edged.contracts.errors import BadRequest, QueueFull, TooLarge
from edged.contracts.request import Work
from edged.flow.counters import Counters
from edged.http.connection import left
from edged.http.drawings import DrawingDesk, wants_drawing
from edged.http.failures import failure, response
from edged.http.jobs import JobPages, wants_later
from edged.requests.asking import Asking

MOST_BODIES = 5
"""Bodies of the greatest size that may be held at the same time, between their first byte and the queue."""
TOO_SOON, UNANSWERED = "the client left before the end of its request", "the client left before its answer"
"""What is counted of requests."""


class Bodies:
    """Reads bodies of requests, bounded each and in all."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._held = 0

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """The whole body, for the length of the block.

        Raises `TooLarge` as soon as that is clear, `QueueFull` when others hold too much,
        `ClientDisconnect` when the client goes away.
        """
        self._check(int(request.headers.get("content-length", 0)))
        chunks: list[bytes] = []
        size = 0
        try:
            async for chunk in request.stream():
                size += len(chunk)
                self._held += len(chunk)
                self._check(size)
                if chunk:
                    chunks.append(chunk)
            yield b"".join(chunks)  # of one chunk: itself, not a copy
        finally:
            self._held -= size

    def _check(self, size: int) -> None:
        if size > self._most:
            raise TooLarge(
                f"the request has more than the {self._most} bytes that `http.max_body_bytes` allows"
            )
        if self._held > self._most * MOST_BODIES:
            raise QueueFull("too many large requests come in at the same time; try again later")


class PredictDesk:
    """Takes requests in the loop's thread; their answers come back from the workers' threads."""

    def __init__(
        self, asking: Asking, bodies: Bodies, drawings: DrawingDesk, jobs: JobPages, counters: Counters
    ) -> None:
        self._asking = asking
        self._jobs = jobs
        self._drawings = drawings
        self._bodies = bodies
        self._counters = counters

    async def respond(self, request: Request) -> Response:
        """Exactly one answer, unless the client goes away; or 202, where it fetches its answer later."""
        service: str = request.path_params["service"]
        drawing = wants_drawing(request)
        later = wants_later(request)
        if drawing and later:
            raise BadRequest("a job has no drawing; leave `drawing=true` or `Prefer: respond-async` out")
        has_left = partial(left, request.scope)
        try:
            async with self._bodies.read(request) as payload:
                if later:
                    return await self._jobs.accept(service, payload)
                answer = self._asking.ask(service, payload, has_left, wants_drawing=drawing)
        except ClientDisconnect:
            return self._ended_too_soon(request, service)
        result = await answer
        drawing = self._stays(request) and drawing
        return await self._drawings.respond(result) if drawing else response(result)

    async def respond_by(self, request: Request, service: str, work: Work) -> Response:
        """The same for a request to the model of a service, which `work` answers when its turn comes."""
        try:
            async with self._bodies.read(request) as payload:
                answer = self._asking.ask(service, payload, partial(left, request.scope), work=work)
        except ClientDisconnect:
            return self._ended_too_soon(request, service)
        result = await answer
        self._stays(request)
        return response(result, request.url.path)

    def _ended_too_soon(self, request: Request, service: str) -> Response:
        self._counters.count("http_requests", TOO_SOON)
        return failure(400, "the request ended too soon", service=service, path=request.url.path)

    def _stays(self, request: Request) -> bool:
        """Whether there is somebody still who reads the answer."""
        if has_left := left(request.scope):
            self._counters.count("http_requests", UNANSWERED)
        return not has_left
