"""`Prefer: respond-async`: 202 at once, and the answer at `/api/jobs/<id>` when there is one."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from edged.contracts.message import JobState
from edged.requests.jobs import Job, JobDesk

LOOKED_EVERY_S = 0.25
"""So often a listener's job is looked at."""
KEPT_WITHIN_S = 10.0
"""So long a client waits for its request to be safe; what cannot be written is served from memory."""
HEARTBEAT = 60
"""Looks without news, after which a comment is sent: proxies keep the connection, we notice who left."""
_EVENTS = "text/event-stream"


class JobAnswer(JobState):
    """The state of one job, with its answer."""

    answer: object
    """The answer of the service, failed or not; null while there is none."""


def wants_later(request: Request) -> bool:
    """Whether the client asks for an answer that it fetches later (RFC 7240)."""
    wishes = ",".join(request.headers.getlist("prefer")).lower().split(",")
    return any(wish.split(";")[0].strip() == "respond-async" for wish in wishes)


class JobPages:
    """All addresses of jobs. Lives in the loop's thread."""

    def __init__(self, jobs: Callable[[], JobDesk], in_thread: Callable[[Callable[[], Any]], Any]) -> None:
        """`jobs` raises `NotReady` while the desk does not run; `in_thread` runs a call that may wait for the
        disk."""
        self._jobs = jobs
        self._in_thread = in_thread
        self._closed = False

    def close(self) -> None:
        """Let all listeners go."""
        self._closed = True

    async def accept(self, service: str, payload: bytes) -> Response:
        """Take a request for later: 202 once it is safe. Raises `QueueFull`, `NotReady`."""
        loop, kept = asyncio.get_running_loop(), asyncio.Event()

        def told() -> None:
            with suppress(RuntimeError):  # the loop has ended, and its clients with it
                loop.call_soon_threadsafe(kept.set)

        desk = self._jobs()
        job: Job = await self._in_thread(lambda: desk.submit(service, payload, told))
        with suppress(TimeoutError):
            await asyncio.wait_for(kept.wait(), KEPT_WITHIN_S)
        headers = {"Location": f"/api/jobs/{job.id}", "Preference-Applied": "respond-async"}
        return Response(_told(job), 202, headers, "application/json")

    async def list(self, request: Request) -> Response:
        """`GET /api/jobs`: all that are known, without their answers."""
        states = [job.state().model_dump() for job in self._jobs().all()]
        return Response(orjson.dumps({"jobs": states}), media_type="application/json")

    async def one(self, request: Request) -> Response:
        """`GET /api/jobs/<id>`: its state, and its answer; as events where the client accepts those."""
        job = self._jobs().get(request.path_params["job"])
        if _EVENTS in request.headers.get("accept", ""):
            return StreamingResponse(
                self._events(job), media_type=_EVENTS, headers={"Cache-Control": "no-store"}
            )
        return Response(_told(job), media_type="application/json", headers={"Cache-Control": "no-store"})

    async def cancel(self, request: Request) -> Response:
        """`DELETE /api/jobs/<id>`: ends it, or forgets the answer of one that has ended."""
        desk, id_ = self._jobs(), request.path_params["job"]
        job: Job = await self._in_thread(lambda: desk.cancel(id_))
        return Response(_told(job), media_type="application/json")

    async def _events(self, job: Job) -> AsyncIterator[bytes]:
        """`progress` whenever something is new, and `answer` at the end."""
        last, looks = b"", 0
        while not self._closed:
            ended, now = job.answer is not None, _told(job)
            if now != last:
                last, looks = now, 0
                yield b"event: %s\ndata: %s\n\n" % (b"answer" if ended else b"progress", now)
            elif looks == HEARTBEAT:
                looks = 0
                yield b": nothing new\n\n"
            if ended:
                return
            looks += 1
            await asyncio.sleep(LOOKED_EVERY_S)


def _told(job: Job) -> bytes:
    """The state with the answer, JSON."""
    answer = orjson.Fragment(job.answer.body) if job.answer is not None else None
    return orjson.dumps({**job.state().model_dump(), "answer": answer})
