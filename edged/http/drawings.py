"""`POST /api/predict/<service>?drawing=true`: the answer, and with it the picture with what was found."""

import asyncio
import logging
from concurrent.futures import Executor

import orjson
import pybase64
from starlette.requests import Request
from starlette.responses import Response

from edged.answers.drawing import encoded
from edged.contracts.described import Described
from edged.contracts.errors import BadRequest
from edged.contracts.request import Answer
from edged.flow.counters import Counters
from edged.http.failures import response

log = logging.getLogger(__name__)

MOST_WAITING = 8
"""Drawings that may wait, the one in work included; each holds its picture. Then the answer comes alone."""


class DrawnAnswer(Described):
    """What is answered to `?drawing=true`."""

    answer: object
    """The answer of the service, as without a drawing."""
    drawing: str | None
    """Base64 of a JPEG: the picture with what was found, its longer side at most 1280 pixels; null where
    there is none."""
    why_not: str
    """Why there is no drawing; empty where there is one."""


def wants_drawing(request: Request) -> bool:
    """Whether the address asks for a drawing. Raises `BadRequest` for another word than `true` or `false`."""
    word = request.query_params.get("drawing", "false")
    if word not in ("true", "false"):
        raise BadRequest(f"`drawing` must be `true` or `false`, not {word[:20]!r}")
    return word == "true"


class DrawingDesk:
    """Draws after the answer, in a thread of its own, so that no request waits for it.

    Lives in the loop's thread.
    """

    def __init__(self, executor: Executor, counters: Counters) -> None:
        self._executor = executor
        self._counters = counters
        self._waiting = 0

    async def respond(self, answer: Answer) -> Response:
        """The answer with its drawing; a failed one as it is."""
        if answer.code != 200:
            return response(answer)
        jpeg, why_not = await self._drawn(answer)
        drawing = None if jpeg is None else pybase64.b64encode_as_string(jpeg)
        both = {"answer": orjson.Fragment(answer.body), "drawing": drawing, "why_not": why_not}
        given = response(answer)
        return Response(orjson.dumps(both), 200, _kept(given), "application/json")

    async def _drawn(self, answer: Answer) -> tuple[bytes | None, str]:
        draw = answer.draw
        if draw is None:
            return None, "this service has no picture to draw into"
        if self._waiting >= MOST_WAITING:
            self._counters.count("http_drawings_dropped", "busy")
            return None, f"{MOST_WAITING} drawings wait already; ask again later"
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._executor, lambda: encoded(draw())), ""
        except Exception:
            log.exception("an answer could not be drawn")
            self._counters.count("http_drawings_dropped", "failed")
            return None, "the drawing failed; the daemon's log says why"
        finally:
            self._waiting -= 1


def _kept(given: Response) -> dict[str, str]:
    """The headers that say whose answer it is."""
    return {name: value for name, value in given.headers.items() if name.startswith("x-")}
