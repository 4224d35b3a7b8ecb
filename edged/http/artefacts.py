"""`GET /artefacts/<id>`: a video that a request or a camera has left, in ranges, as browsers play it."""

import asyncio
import re
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from edged.artefacts.artefact import OpenArtefact
from edged.artefacts.store import ArtefactStore
from edged.contracts.errors import NotFound, StoreFailed
from edged.http.connection import left
from edged.http.failures import failure

THREADS = 4
"""A store that is far away holds up one for each read."""
CHUNK = 262_144
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class Span(NamedTuple):
    """Bytes of an artefact."""

    start: int
    stop: int
    """One past the last."""


def span_of(header: str, size: int) -> Span | None:
    """What `Range` asks for; none: the whole, also for several ranges and for what cannot be understood.

    Of an artefact that ends before the range begins, the span is empty.
    """
    found = _RANGE.fullmatch(header.strip())
    if found is None or found[0] == "bytes=-":
        return None
    if not found[1]:
        return Span(max(0, size - int(found[2])), size)
    start, stop = int(found[1]), int(found[2]) + 1 if found[2] else size
    if stop <= start and found[2]:
        return None
    return Span(start, min(stop, size)) if start < size else Span(size, size)


class ArtefactDesk:
    """Gives what is in the store; what is read of it is read by threads of its own."""

    def __init__(self, store: ArtefactStore) -> None:
        self._store = store
        self._readers = ThreadPoolExecutor(THREADS, "http-artefacts")

    def release(self) -> None:
        """Give the threads back; called after the loop's end."""
        self._readers.shutdown(wait=False, cancel_futures=True)

    async def respond(self, request: Request) -> Response:
        """The artefact or a part of it; 409 while it is still to be written."""
        id: str = request.path_params["id"]
        reserved = self._store.is_reserved(id)
        try:
            loop = asyncio.get_running_loop()
            artefact = await loop.run_in_executor(self._readers, self._store.open, id)
        except NotFound:
            if not reserved:
                raise
            return failure(409, "this artefact is not written yet; ask again", {"Retry-After": "1"})
        headers = {
            "Accept-Ranges": "bytes",
            "Cache-Control": "private",
            "Content-Disposition": f'inline; filename="{id}"',
            "ETag": f'"{id}"',  # what an id stands for never changes
        }
        if f'"{id}"' in request.headers.get("if-none-match", "").replace("W/", "").split(", "):
            artefact.file.close()
            return Response(status_code=304, headers=headers)
        headers |= {"Content-Type": artefact.media_type, "Content-Length": str(artefact.size)}
        if request.method == "HEAD":
            artefact.file.close()
            return Response(headers=headers)
        if request.headers.get("if-range", f'"{id}"') != f'"{id}"':
            return _Part(artefact, Span(0, artefact.size), headers, self._readers)
        return self._ranged(request.headers.get("range", ""), artefact, headers)

    def _ranged(self, wanted: str, artefact: OpenArtefact, headers: dict[str, str]) -> Response:
        size, span = artefact.size, span_of(wanted, artefact.size)
        if span is None:
            return _Part(artefact, Span(0, size), headers, self._readers)
        if span.start == span.stop:
            artefact.file.close()
            return failure(416, f"the artefact has {size} bytes", {"Content-Range": f"bytes */{size}"})
        headers["Content-Length"] = str(span.stop - span.start)
        headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{size}"
        return _Part(artefact, span, headers, self._readers)


class _Part(Response):
    """Bytes of an open artefact, read while they go out."""

    def __init__(
        self, artefact: OpenArtefact, span: Span, headers: dict[str, str], readers: Executor
    ) -> None:
        super().__init__(status_code=206 if "Content-Range" in headers else 200, headers=headers)
        self._artefact = artefact
        self._span = span
        self._readers = readers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Until all is sent, or the client goes away."""
        loop, (position, stop) = asyncio.get_running_loop(), self._span
        with self._artefact as artefact:
            await send(
                {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            )
            await loop.run_in_executor(self._readers, artefact.file.seek, position)
            while position < stop and not left(scope):
                most = min(CHUNK, stop - position)
                chunk = await loop.run_in_executor(self._readers, artefact.file.read, most)
                if not chunk:
                    raise StoreFailed(f"the artefact ended before its {artefact.size} bytes")
                position += len(chunk)
                await send({"type": "http.response.body", "body": chunk, "more_body": position < stop})
            if self._span.start == stop:
                await send({"type": "http.response.body", "body": b""})
