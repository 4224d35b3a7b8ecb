"""A request on its way, and its answer: what the outside worlds hand to the pipeline, and get back."""

import math
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any, Protocol

from edged.contracts.items import Pixels
from edged.contracts.message import FailedAnswer, FailedVideoAnswer
from edged.contracts.model import Run
from edged.contracts.services import SERVICES


@dataclass(frozen=True, slots=True)
class Answer:
    """The one answer of a request, encoded."""

    request_id: str
    body: bytes
    """JSON."""
    code: int
    """200, or the `error_code` of a failed answer."""
    model: str | None = None
    """Id of the model that ran or was to run; none when it is not known."""
    reply_to: str | None = None
    """The request's own `reply_to`, for MQTT 3.1.1."""
    artefact: str | None = None
    """Address of the file that the request left: whole under `http.public_url`, else `/artefacts/<id>`."""
    json_bytes: int | None = None
    """Of a body that goes on after its JSON with bytes of its own: where these begin."""
    draw: Callable[[], Pixels] | None = None
    """Makes the picture with what was found, BGR; none unless the job wanted it and there is a picture."""


def refusal(
    fields: Mapping[str, Any], code: int, message: str, service: str = "", model: str | None = None
) -> Answer:
    """The failed answer of a service, in the form of its group.

    `fields` is what could be read of the request, to echo its id and `reply_to`; `service` as the client
    named it, may not exist.
    """
    request_id, reply_to = fields.get("request_id"), fields.get("reply_to")
    if not isinstance(request_id, str) or not request_id:
        request_id = str(uuid.uuid4())
    body = FailedAnswer(request_id=request_id, error_code=code, error_msg=message)
    if service in SERVICES and SERVICES[service].failure is FailedVideoAnswer:
        body = FailedVideoAnswer(**body.model_dump(), result=message)
    asked = reply_to if isinstance(reply_to, str) else None
    return Answer(request_id, body.model_dump_json().encode(), code, model, asked)


Work = Callable[[Any, bytes, Run], Answer]
"""Answers a payload by the instance of a model, in the thread of a worker. Raises errors of edged."""


@dataclass(frozen=True, slots=True)
class RequestJob:
    """A request that was accepted but not yet looked into."""

    service: str
    """Name as the client gave it; may not exist."""
    payload: bytes
    """The raw body."""
    received_at: float
    """`time.monotonic()`; the request's `timeout_s` counts from here."""
    reply: Callable[[Answer], None]
    """Called exactly once, from a thread of the queue."""
    progress: Callable[[str, float], None] | None = None
    """Called with the request's id and the share that is done, for long work."""
    ahead: Callable[[bytes], None] | None = None
    """Called with the answer of each clip of a recording, JSON, as soon as it is heard, in their order; by a
    thread of the queue."""
    wants_drawing: bool = False
    """Whether the answer shall be able to draw itself: it holds the picture until then."""
    is_cancelled: Callable[[], bool] | None = None
    """Whether who asked wants no answer any more; asked between the steps of long work."""
    work: Work | None = None
    """What is asked of the service's model in place of the service; none: the payload is its request."""
    key: bytes | None = None
    """By which it is known again when it comes a second time after the process died; none: it does not."""
    inner: bool = False
    """Whether `service` is one of the inner ones, which only a world of ours can ask for."""
    recording: IO[bytes] | None = None
    """The recording that comes along, to seek and to read. It is closed at the end of the request's way."""
    until: float = math.inf
    """`time.monotonic()`: who asked waits no longer, whatever the request names."""

    def deadline(self, timeout_s: float) -> float:
        """When it must be answered, `time.monotonic()`: so many seconds after it came, or earlier."""
        return min(self.received_at + timeout_s, self.until)


class Intake(Protocol):
    """Where the outside worlds leave their requests."""

    def submit(self, job: RequestJob) -> None:
        """Queue the job. Never waits.

        Raises `QueueFull` when there is no room; then `reply` is not called.
        """
