"""The application: which address is answered by whom."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from typing import TypeVar

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edged.contracts.errors import EdgedError
from edged.http.artefacts import ArtefactDesk
from edged.http.counts import CountPages
from edged.http.drawings import DrawingDesk
from edged.http.events import EventPages
from edged.http.failures import on_defect, on_edged_error, on_http_exception
from edged.http.guard import Guard, Keys, Login
from edged.http.jobs import JobPages
from edged.http.kserve import KServe
from edged.http.live import LivePictures
from edged.http.metrics import CONTENT_TYPE, exposition, registry
from edged.http.openapi import openapi
from edged.http.page import Page
from edged.http.predict import Bodies, PredictDesk
from edged.http.results import ResultFeed
from edged.http.settings import HttpSettings
from edged.http.sources import Sources
from edged.http.uploads import UploadDesk

T = TypeVar("T")

THREADS = 2
"""For what would hold up the loop, and as many again for live pictures."""


class App:
    """All routes behind the gate. What belongs to one address stands in its own module."""

    def __init__(self, settings: HttpSettings, sources: Sources, feed: ResultFeed) -> None:
        self._sources = sources
        self._work = ThreadPoolExecutor(THREADS, "http-work")
        self._encoders = ThreadPoolExecutor(THREADS, "http-live")
        self._bodies = Bodies(settings.max_body_bytes)
        self._drawers = ThreadPoolExecutor(1, "http-drawings")
        drawings = DrawingDesk(self._drawers, sources.counters)
        self._jobs = JobPages(sources.jobs, self._in_thread)
        self._predict = PredictDesk(sources.intake, self._bodies, drawings, self._jobs, sources.counters)
        self._artefacts = ArtefactDesk(sources.artefacts)
        self._writers = ThreadPoolExecutor(THREADS, "http-uploads")
        self._uploads = UploadDesk(sources.uploads, sources.upload_limit, self._writers)
        self._counts = CountPages(sources.counts, self._in_thread)
        self.events = EventPages(sources.events, sources.counts, self._in_thread)
        self._feed = feed
        self._live = LivePictures(sources.views, self._encoders)
        self._registry = registry(sources.version, sources.counters, sources.status)
        keys = Keys(settings)
        handlers = {HTTPException: on_http_exception, EdgedError: on_edged_error, Exception: on_defect}
        self.routes = self._routes(Login(keys, self._bodies))
        """What stands behind the gate."""
        app = Starlette(routes=self.routes, exception_handlers=handlers)
        self.gate = Guard(app, keys, sources.counters)
        """The ASGI application."""

    def close(self) -> None:
        """Let everyone go who waits or listens; called in the loop's thread, before the server's end."""
        self._predict.close()
        self._jobs.close()
        self._feed.close()
        self.events.close()
        self._live.close()

    def release(self) -> None:
        """Give the threads back; called after the loop's end."""
        for executor in (self._work, self._encoders, self._drawers, self._writers):
            executor.shutdown(wait=False, cancel_futures=True)
        self._artefacts.release()

    def _routes(self, login: Login) -> list[Route]:
        page, kserve = Page(), KServe(self._sources, self._work)
        post = ["POST"]
        return [
            Route("/api/predict/{service}", self._predict.respond, methods=post),
            Route("/api/jobs", self._jobs.list),
            Route("/api/jobs/{job}", self._jobs.one, methods=["GET"]),
            Route("/api/jobs/{job}", self._jobs.cancel, methods=["DELETE"]),
            Route("/api/uploads", self._uploads.respond, methods=post),
            Route("/api/login", login.respond, methods=post),
            Route("/api/status", self._status),
            Route("/api/counts", self._counts.respond),
            _endless("/api/events", self.events.respond),
            _endless("/api/results", self._feed.respond),
            _endless("/api/streams/{stream}/live", self._live.live),
            Route("/api/streams/{stream}/snapshot", self._live.snapshot),
            Route("/artefacts/{id}", self._artefacts.respond),
            Route("/v2", kserve.server),
            Route("/v2/health/live", kserve.live),
            Route("/v2/health/ready", kserve.ready),
            Route("/v2/models/{model}", kserve.model),
            Route("/v2/models/{model}/ready", kserve.model_ready),
            Route("/metrics", self._metrics),
            Route("/openapi.json", self._openapi),
            Route("/", page.respond),
            Route("/static/{name:path}", page.respond),
        ]

    async def _status(self, request: Request) -> Response:
        status = await self._in_thread(self._sources.status)
        return Response(status.model_dump_json(), media_type="application/json")

    async def _metrics(self, request: Request) -> Response:
        text = await self._in_thread(partial(exposition, self._registry))
        return Response(text, headers={"Content-Type": CONTENT_TYPE})

    async def _openapi(self, request: Request) -> Response:
        return Response(await self._in_thread(lambda: self._document), media_type="application/json")

    @cached_property
    def _document(self) -> bytes:
        return orjson.dumps(openapi(self._sources.version), option=orjson.OPT_INDENT_2)

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._work, call)


def _endless(path: str, endpoint: Callable[[Request], Awaitable[Response]]) -> Route:
    """A GET whose answer does not end by itself; so there is no HEAD, which would wait for the end."""
    route = Route(path, endpoint)
    route.methods = {"GET"}
    return route
