"""A request on its way, and its answer: what the outside worlds hand to the pipeline, and get back."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Answer:
    """The one answer of a request, encoded."""

    request_id: str
    body: bytes
    """JSON."""
    code: int
    """200, or the `error_code` of a failed answer."""
    model: str | None = None
    """Id of the model that ran; none when none did."""
    reply_to: str | None = None
    """The request's own `reply_to`, for MQTT 3.1.1."""


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
    """Called exactly once, from a worker's thread."""
    progress: Callable[[str, float], None] | None = None
    """Called with the request's id and the share that is done, for long work."""


class Intake(Protocol):
    """Where the outside worlds leave their requests."""

    def submit(self, job: RequestJob) -> None:
        """Queue the job. Never waits.

        Raises `QueueFull` when there is no room; then `reply` is not called.
        """
