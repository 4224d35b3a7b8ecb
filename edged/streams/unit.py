"""A stream as a unit of the daemon: its source and the lanes that it feeds, or that it is switched off."""

import time
from collections.abc import Callable
from typing import Any

from edged.contracts.message import StreamState
from edged.streams.lane import Lanes
from edged.streams.recordings import Recordings
from edged.streams.supervise import Supervisor, nothing


class StreamUnit:
    """The supervisor of a camera or a microphone and the lanes that it feeds, as one unit."""

    def __init__(
        self,
        feed: Lanes[Any],
        supervisor: Supervisor,
        stopped: Callable[[], None] = nothing,
        recordings: Recordings | None = None,
        kept: Supervisor | None = None,
        *,
        stopping: Callable[[], None] = nothing,
    ) -> None:
        """`stopping` is called before anything of it ends, and `stopped` when all has; `kept`: of the source
        that is only recorded, where the services look at another one."""
        self.recordings = recordings
        """None: this stream is not recorded."""
        self._feed = feed
        self._supervisors = [supervisor] if kept is None else [supervisor, kept]
        self._stopped = stopped
        self._stopping = stopping

    def start(self) -> None:
        """Lanes first: a frame must find them."""
        self._feed.start()
        for supervisor in self._supervisors:
            supervisor.start()

    def stop(self) -> None:
        """The source first, then what is still in the lanes."""
        self._stopping()
        for supervisor in self._supervisors:
            supervisor.stop()
        self._feed.stop()
        if self.recordings is not None:
            self.recordings.stop()
        self._stopped()

    def state(self) -> str:
        """The source's; of two that of the first one that does not run."""
        states = (supervisor.state() for supervisor in self._supervisors)
        return next((state for state in states if state != "running"), "running")

    def beat(self) -> float:
        """The source's; of two the older one."""
        return min(supervisor.beat() for supervisor in self._supervisors)


class OffStream:
    """In the place of a stream that was switched off: all that it does is to say so."""

    def __init__(self, why: str, tell: Callable[[StreamState], None]) -> None:
        self._why = why
        self._tell = tell

    def start(self) -> None:
        """Say it."""
        self._tell(StreamState(state="offline", fps=0.0, why=self._why, enabled=False))

    def stop(self) -> None:
        """Nothing runs."""

    def state(self) -> str:
        """Why the source does not run."""
        return self._why

    def beat(self) -> float:
        """Always alive."""
        return time.monotonic()
