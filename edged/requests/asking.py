"""From an event loop into the pipeline, and the answer back into the loop."""

import asyncio
import math
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import IO, TypeVar

from edged.contracts.errors import NotReady, QueueFull
from edged.contracts.request import Answer, Intake, RequestJob, Work, refusal
from edged.requests.peek import peek

T = TypeVar("T")

_SHUTTING_DOWN = "the box is shutting down; send the request again"


class Asking:
    """Lives in the loop's thread; answers come from those of the workers."""

    def __init__(self, intake: Intake, count: Callable[[str], None]) -> None:
        """`count` is told what becomes of each request."""
        self._intake = intake
        self._count = count
        self._waiting: dict[asyncio.Future[Answer], tuple[str, bytes]] = {}
        """Service and payload, which the pipeline holds as long, of each request."""
        self._closed = False

    def ask(
        self,
        service: str,
        payload: bytes,
        has_left: Callable[[], bool],
        *,
        wants_drawing: bool = False,
        inner: bool = False,
        recording: IO[bytes] | None = None,
        ahead: Callable[[bytes], None] | None = None,
        work: Work | None = None,
        until: float = math.inf,
    ) -> asyncio.Future[Answer]:
        """The answer to come, a refusal too. For a client that `has_left` nothing long is done any more.

        `ahead` is called in the loop's thread, before the answer is there. All else as of `RequestJob`; the
        recording is closed in any case.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        job = RequestJob(
            *(service, payload, time.monotonic(), _into(loop, partial(_settle, future))),
            ahead=None if ahead is None else _into(loop, partial(_tell, future, ahead)),
            wants_drawing=wants_drawing,
            is_cancelled=has_left,
            inner=inner,
            recording=recording,
            work=work,
            until=until,
        )
        try:
            if self._closed:
                raise NotReady(_SHUTTING_DOWN)
            self._intake.submit(job)
        except (QueueFull, NotReady) as error:
            future.set_result(refusal(peek(payload), error.code, str(error), service))
            self._count(f"refused {error.code}")
            if recording is not None:
                recording.close()
            return future
        self._waiting[future] = service, payload
        future.add_done_callback(self._waiting.pop)
        self._count("taken")
        return future

    def close(self) -> None:
        """Answer whoever still waits that the box goes down."""
        self._closed = True
        for future, (service, payload) in self._waiting.items():
            _settle(future, refusal(peek(payload), NotReady.code, _SHUTTING_DOWN, service))


def _into(loop: asyncio.AbstractEventLoop, call: Callable[[T], None]) -> Callable[[T], None]:
    """The call, as other threads may make it."""

    def called(said: T) -> None:
        with suppress(RuntimeError):  # the loop has ended, and its clients with it
            loop.call_soon_threadsafe(call, said)

    return called


def _settle(future: asyncio.Future[Answer], answer: Answer) -> None:
    if not future.done():
        future.set_result(answer)


def _tell(future: asyncio.Future[Answer], tell: Callable[[bytes], None], body: bytes) -> None:
    if not future.done():
        tell(body)
