"""The handle of one call, and the word of those that nobody waits for any more."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from edged.contracts.errors import Cancelled, TimedOut
from edged.flow.pulse import beat

OVERDUE = "the request took longer than its `timeout_s`; raise it, or ask for less"
REMEMBERED = 1000
"""So many cancelled requests are remembered."""


class Cancellations:
    """Which requests were cancelled. Safe from all threads.

    A request may be waiting, in work or gone when it is cancelled, so the word is kept. It counts for the
    requests that came before it: an id that is used again is not cancelled.
    """

    def __init__(self) -> None:
        self._said: dict[str, float] = {}
        self._lock = threading.Lock()

    def cancel(self, request_id: str) -> None:
        """Nobody waits for this request any more."""
        with self._lock:
            self._said.pop(request_id, None)
            self._said[request_id] = time.monotonic()
            if len(self._said) > REMEMBERED:
                del self._said[next(iter(self._said))]

    def concern(self, request_id: str, received_at: float) -> bool:
        """Whether the request with this id that was received then (`time.monotonic()`) is cancelled."""
        return received_at <= self._said.get(request_id, float("-inf"))


@dataclass(frozen=True, slots=True)
class RunHandle:
    """The handle of one call; implements `contracts.model.Run`."""

    deadline: float | None = None
    """`time.monotonic()`."""
    report: Callable[[float], None] | None = None
    is_cancelled: Callable[[], bool] | None = None

    def progress(self, done: float) -> None:
        """Pass on the share that is done. Raises what `report` does."""
        beat()
        if self.report is not None:
            self.report(done)

    def check(self) -> None:
        """Raise `Cancelled` when nobody waits any more, `TimedOut` after the deadline."""
        beat()
        self.check_cancelled()
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise TimedOut(OVERDUE)

    def check_cancelled(self) -> None:
        """Raise `Cancelled` when nobody waits any more; what is done, if late, is still worth sending."""
        if self.is_cancelled is not None and self.is_cancelled():
            raise Cancelled("the request was cancelled: by control/cancel, or who asked is gone")
