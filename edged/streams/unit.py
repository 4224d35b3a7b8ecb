"""A stream as a unit of the daemon: its source and the lanes that it feeds, or that it is switched off."""

import time
from collections.abc import Callable
from typing import Protocol

from edged.contracts.message import StreamState
from edged.streams.recordings import Recordings
from edged.streams.supervise import Supervisor, nothing


class Lanes(Protocol):
    """Where the frames or the sound of a source go."""

    def start(self) -> None:
        """Open them."""

    def stop(self) -> None:
        """Close them; returns when nothing is in work."""


class StreamUnit:
    """The supervisor of a camera or a microphone and the lanes that it feeds, as one unit."""

    def __init__(
        self,
        feed: Lanes,
        supervisor: Supervisor,
        stopped: Callable[[], None] = nothing,
        recordings: Recordings | None = None,
    ) -> None:
        """`stopped` is called when all of it has ended."""
        self.recordings = recordings
        """None: this stream is not recorded."""
        self._feed = feed
        self._supervisor = supervisor
        self._stopped = stopped

    def start(self) -> None:
        """Lanes first: a frame must find them."""
        self._feed.start()
        self._supervisor.start()

    def stop(self) -> None:
        """The source first, then what is still in the lanes."""
        self._supervisor.stop()
        self._feed.stop()
        if self.recordings is not None:
            self.recordings.stop()
        self._stopped()

    def state(self) -> str:
        """The source's."""
        return self._supervisor.state()

    def beat(self) -> float:
        """The source's."""
        return self._supervisor.beat()


class OffStream:
    """In the place of a stream that was switched off: all that it does is to say so."""

    def __init__(self, why: str, tell: Callable[[StreamState], None]) -> None:
        self._why = why
        self._tell = tell

    def start(self) -> None:
        """Say it."""
        self._tell(StreamState(state="offline", fps=0.0, why=self._why))

    def stop(self) -> None:
        """Nothing runs."""

    def state(self) -> str:
        """Why the source does not run."""
        return self._why

    def beat(self) -> float:
        """Always alive."""
        return time.monotonic()
