"""How a call gets on: what is told of it, and whether it can end in time."""

import time
from collections.abc import Callable

from edged.contracts.errors import TooLarge

TOLD_EVERY_S = 0.5
"""So often at most its progress is told."""
TRIED_S = 5.0
"""After so long at work its pace is believed."""
HOPELESS = 1.5
"""So many times the time that is left it must be going to need to be given up."""


class Forecast:
    """Of the end of one call, told by the thread that works on it."""

    def __init__(self, deadline: float, report: Callable[[float], None] | None) -> None:
        """`deadline` is `time.monotonic()`; `report` is told the share that is done."""
        self._deadline = deadline
        self._report = report
        self._began_at: float | None = None
        self._told_at = float("-inf")

    def progress(self, done: float) -> None:
        """A share that is done, 0 to 1.

        Raises `TooLarge` as soon as it is evident that the rest will not be done by the deadline.
        """
        now = time.monotonic()
        if self._began_at is None:
            self._began_at = now
        self._check(now, done)
        if self._report is not None and (now - self._told_at >= TOLD_EVERY_S or done >= 1):
            self._told_at = now
            self._report(min(1.0, max(0.0, done)))

    def _check(self, now: float, done: float) -> None:
        spent, left = now - (self._began_at or now), self._deadline - now
        if done <= 0 or spent < TRIED_S:
            return
        needed = spent * (1 - done) / done
        if needed > max(left, 0.0) * HOPELESS:
            raise TooLarge(
                f"this would take some {needed:.0f} s more, of which {max(left, 0.0):.0f} s are left; "
                "raise `timeout_s`, or ask for less of it with `input.play_duration`"
            )
