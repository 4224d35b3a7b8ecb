"""Recordings of a camera: what its ring holds and what comes next, written into the store as it came."""

import logging
import threading
from collections.abc import Callable
from typing import Annotated

import av.error
from pydantic import BeforeValidator, Field

from edged.artefacts.store import ArtefactStore, Reservation
from edged.contracts.errors import EdgedError, NotReady
from edged.contracts.message import Decodes, StreamState
from edged.contracts.settings import Seconds, Settings, seconds
from edged.flow.counters import Counters
from edged.media.remux import remux
from edged.media.ring import MOST_SECONDS, PacketRing, Take

log = logging.getLogger(__name__)

STOP_S = 5.0
"""How long a stop waits until what is recorded has been written."""


class RecordSettings(Settings):
    """How much of a camera is recorded around an event."""

    before: Annotated[float, BeforeValidator(seconds), Field(ge=0, le=120)] = 5.0
    """Seconds before the event; a recording begins at the key frame before them."""
    after: Annotated[Seconds, Field(le=MOST_SECONDS)] = 10.0
    """Seconds after it; another event meanwhile prolongs the recording, up to ten minutes in all."""
    max_bytes: int = Field(default=64_000_000, ge=1_000_000)
    """Of memory, for what was before; a camera that sends more of it has less `before`, which is counted."""


class Recordings:
    """Of one camera, of which one is written at a time. Safe from all threads; nothing waits for a disk."""

    def __init__(
        self,
        name: str,
        settings: RecordSettings,
        store: ArtefactStore,
        counters: Counters,
        tell: Callable[[str], object],
    ) -> None:
        """`name` is the stream's; `tell` is called with why a recording was not made, empty when one was."""
        self._name = name
        self._settings = settings
        self._store = store
        self._counters = counters
        self._tell = tell
        self._ring = self._new_ring()
        self._now: tuple[PacketRing, Take, str] | None = None
        """What is being recorded, and its address."""
        self._writer: threading.Thread | None = None
        self._lock = threading.Lock()

    def opening(self) -> PacketRing:
        """The ring of another opening of the camera; what is recorded of the one before ends."""
        before, self._ring = self._ring, self._new_ring()
        before.close()
        return self._ring

    def of_event(self) -> str | None:
        """The address of the recording of what happens now; none: there is nothing to record."""
        try:
            return self.begin()
        except NotReady as error:
            self._count("not begun")
            self._tell(str(error))
            return None

    def begin(self, seconds: float | None = None) -> str:
        """The address of a recording until `after`, or so many seconds from now, or of the one that is
        being written, which goes on so long. Raises `NotReady`."""
        length = self._settings.after if seconds is None else seconds
        with self._lock:
            if self._now is not None and self._now[0].prolong(self._now[1], length):
                return self._now[2]
            ring = self._ring
            if (take := ring.take(length)) is None:
                raise NotReady(f"stream {self._name!r} cannot be recorded now: {ring.why}")
            reserved = self._store.reserve(".mp4")
            address = reserved.artefact.address or reserved.artefact.uri
            self._now = ring, take, address
            self._writer = threading.Thread(
                target=self._write, args=(take, reserved), name=f"recording-{self._name}", daemon=True
            )
            self._writer.start()
            return address

    def stop(self) -> None:
        """End what is recorded, and wait for it some time."""
        self._ring.close()
        if self._writer is not None:
            self._writer.join(STOP_S)

    def _write(self, take: Take, reserved: Reservation) -> None:
        try:
            with reserved.draft() as draft:
                remux(take, draft.path)
                draft.keep()
        except (EdgedError, OSError, av.error.FFmpegError) as error:
            take.end()  # nobody reads it any more
            self._count("failed")
            log.error("stream %s: a recording is not kept: %s", self._name, error)
            self._tell(f"a recording was not kept: {error}")
        else:
            self._count(f"cut short: {take.cut_short}" if take.cut_short else "kept")
            self._tell("")

    def _new_ring(self) -> PacketRing:
        return PacketRing(self._settings.before, self._settings.max_bytes, self._count)

    def _count(self, what: str) -> None:
        self._counters.count(f"recordings/{self._name}", what)


class StateBoard:
    """What is told of a camera: how it is, what of it is decoded, and why its recordings are not made."""

    def __init__(self, tell: Callable[[StreamState], object]) -> None:
        self._tell = tell
        self._state = StreamState(state="offline", fps=0.0, why="not started yet")
        self._lock = threading.Lock()

    def put(self, state: StreamState) -> None:
        """How it is."""
        self._put(state=state.state, fps=state.fps, why=state.why)

    def put_source(self, state: StreamState) -> None:
        """How the source is that is recorded and not looked at."""
        self._put(source="" if state.state == "online" else state.why)

    def put_recordings(self, why: str) -> None:
        """Why the last recording was not made; empty: it was."""
        self._put(recordings=why)

    def put_decodes(self, decodes: Decodes) -> None:
        """What of it is decoded."""
        self._put(decodes=decodes)

    def _put(self, **news: object) -> None:
        with self._lock:
            state = self._state.model_copy(update=news)
            if state != self._state:
                self._state = state
                self._tell(state)
