"""The handle of one call."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from edged.contracts.errors import TimedOut


@dataclass(frozen=True, slots=True)
class CallRun:
    """The handle of one call; implements `contracts.model.Run`."""

    deadline: float | None = None
    """`time.monotonic()`."""
    report: Callable[[float], None] | None = None

    def progress(self, done: float) -> None:
        """Pass on the share that is done."""
        if self.report is not None:
            self.report(done)

    def check(self) -> None:
        """Raise `TimedOut` after the deadline."""
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise TimedOut("the request took longer than its `timeout_s`; raise it, or ask for less")
