"""The supervisor of a stream: it alone opens, watches and opens again.

A source runs in a thread of its own, which may hang for ever inside a driver. The supervisor's thread only
looks at the age of the last frame; it abandons the hanging thread and starts another one.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal, Protocol

from edged.contracts.errors import SourceError
from edged.contracts.message import StreamState
from edged.flow.backoff import delays
from edged.flow.counters import Counters

log = logging.getLogger(__name__)

TICK_S = 0.25
"""How often the supervisor looks; also the longest time between two beats."""
FPS_EVERY_S = 5.0
"""How often the frames a second are counted, and told when they changed."""
HEALTHY_S = 30.0
"""A source that ran so long is tried again quickly when it fails."""
STOP_S = 2.5
"""How long a stop waits for the source, which may be reading for `timeout_s` yet."""
MAX_HANGING = 4
"""So many threads may hang in a driver before the supervisor waits for one to come back."""


Refusal = Callable[[Any], str | None]
"""Why an item is dropped; none: it passes."""


def let_all_pass(item: object) -> None:
    """Refuses nothing."""


def nothing() -> None:
    """Does nothing."""


class Source(Protocol):
    """What is supervised: it gives frames, or chunks of sound."""

    def run(self, emit: Callable[[Any], None], stop: threading.Event) -> None:
        """Emit items until `stop` is set or there are no more. Raises `SourceError`."""


class _Attempt:
    """One run of a source in its own daemon thread; what it emits after `abandon` goes nowhere."""

    def __init__(
        self,
        name: str,
        source_factory: Callable[[], Source],
        accept: Callable[[Any], None],
        on_end: Callable[[], None],
        wake: threading.Event,
    ) -> None:
        self._name = name
        self._source_factory = source_factory
        self._accept = accept
        self._on_end = on_end
        self._wake = wake
        self._stop = threading.Event()
        self.started = time.monotonic()
        self.last_frame: float | None = None
        self.frames = 0
        self.fault: str | None = None
        self.done = False
        self._thread = threading.Thread(target=self._run, name=f"stream-{name}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._source_factory().run(self._emit, self._stop)
            if not self._stop.is_set():
                self._on_end()
        except SourceError as error:
            self.fault = str(error)
        except Exception as error:  # the boundary of one source
            log.exception("stream %s: its source failed", self._name)
            self.fault = f"the source failed with {type(error).__name__}; the log of the daemon says why"
        finally:
            self.done = True
            self._wake.set()

    def _emit(self, frame: Any) -> None:
        if self._stop.is_set():
            return
        first = self.last_frame is None
        self.last_frame = time.monotonic()
        self.frames += 1
        if first:
            self._wake.set()
        self._accept(frame)

    def age(self) -> float:
        """Seconds since the last frame, or since the start."""
        return time.monotonic() - (self.last_frame or self.started)

    def abandon(self) -> None:
        """Ask the thread to end, without waiting."""
        self._stop.set()

    def join(self, seconds: float) -> bool:
        """Wait for the end; whether it came."""
        self._thread.join(seconds)
        return not self._thread.is_alive()


class Supervisor:
    """A unit that keeps one stream alive. See `flow.units.Unit`."""

    def __init__(
        self,
        name: str,
        source_factory: Callable[[], Source],
        on_frame: Callable[[Any], None],
        on_state: Callable[[StreamState], None],
        counters: Counters,
        *,
        gate: Callable[[], Refusal] = lambda: let_all_pass,
        on_end: Callable[[], None] = nothing,
        counted: str = "decoded",
        stall_s: float = 20.0,
        healthy_s: float = HEALTHY_S,
        back_off: Callable[[], Iterator[float]] = delays,
    ) -> None:
        """`on_frame` is called in the source's thread and must not block; `on_state` in the supervisor's.

        `gate` makes, for each opening, what says which frames go to `on_frame`; `on_end` is called in the
        source's thread when a file has come to its end; `counted`: as what each frame
        is counted; `stall_s` seconds without a frame end an attempt.
        """
        self._name = name
        self._source_factory = source_factory
        self._on_frame = on_frame
        self._on_state = on_state
        self._counters = counters
        self._gate = gate
        self._on_end = on_end
        self._counted = counted
        self._stall_s = stall_s
        self._healthy_s = healthy_s
        self._back_off = back_off
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._hanging: list[_Attempt] = []
        self._told = StreamState(state="offline", fps=0.0, why="not started yet")
        self._beat: float | None = None
        self._gone = False
        """Nothing is told any more, not even when a thread that hung comes back after the end."""
        self._thread = threading.Thread(target=self._supervise, name=f"supervise-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(STOP_S + 2 * TICK_S)
        self._gone = True

    def state(self) -> str:
        return "running" if self._told.state == "online" else self._told.why

    def beat(self) -> float:
        return time.monotonic() if self._beat is None else self._beat

    def _supervise(self) -> None:
        waits = self._back_off()
        while not self._stopping.is_set():
            attempt = self._attempt()
            state, why = self._watch(attempt)
            attempt.abandon()
            if self._stopping.is_set():
                attempt.join(STOP_S)
                break
            if attempt.last_frame and attempt.last_frame - attempt.started >= self._healthy_s:
                waits = self._back_off()
            if attempt.done and attempt.fault is None:
                self._tell("offline", "the source has come to its end")
                self._idle(None)
                break
            self._tell(state, why)
            self._recover(attempt, state, why, next(waits))
        self._tell("offline", "the stream was stopped")

    def _attempt(self) -> _Attempt:
        refusal = self._gate()  # a new opening may have another clock and show another picture

        def accept(frame: Any) -> None:
            self._counters.count(f"frames/{self._name}", self._counted)
            if (reason := refusal(frame)) is None:
                self._on_frame(frame)
            else:
                self._counters.count(f"frames_dropped/{self._name}", reason)

        self._wake.clear()
        return _Attempt(self._name, self._source_factory, accept, self._on_end, self._wake)

    def _watch(self, attempt: _Attempt) -> tuple[Literal["stalled", "offline"], str]:
        """Look at the attempt until it ends or stalls; the state that follows and why."""
        counted_at, counted = attempt.started, 0
        while True:
            self._pause(TICK_S)
            if self._stopping.is_set() or attempt.done:
                return "offline", attempt.fault or "the stream was stopped"
            if attempt.age() > self._stall_s:
                return "stalled", f"no frame came for {self._stall_s:g} s; the source is opened again"
            now, frames = time.monotonic(), attempt.frames
            if now - counted_at >= FPS_EVERY_S:
                fps = round((frames - counted) / (now - counted_at), 1)
                counted_at, counted = now, frames
            else:
                fps = self._told.fps
            if frames:
                self._tell("online", "", fps)

    def _recover(self, attempt: _Attempt, state: str, why: str, seconds: float) -> None:
        """Count and say what happened, then wait until it is time for the next attempt."""
        self._counters.count(f"reconnects/{self._name}", state)
        if not attempt.done:
            self._hanging.append(attempt)
        log.warning("stream %s is %s: %s; next try in %g s", self._name, state, why, seconds)
        self._idle(seconds)
        while self._still_hanging() >= MAX_HANGING and not self._stopping.is_set():
            self._idle(1.0)

    def _still_hanging(self) -> int:
        self._hanging = [attempt for attempt in self._hanging if not attempt.done]
        return len(self._hanging)

    def _idle(self, seconds: float | None) -> None:
        """Wait, beating, until the time is over or the stream is stopped."""
        until = None if seconds is None else time.monotonic() + seconds
        while not self._stopping.is_set():
            left = TICK_S if until is None else min(TICK_S, until - time.monotonic())
            if left <= 0:
                return
            self._beat = time.monotonic()
            self._stopping.wait(left)

    def _pause(self, seconds: float) -> None:
        self._beat = time.monotonic()
        self._wake.wait(seconds)
        if not self._stopping.is_set():
            self._wake.clear()

    def _tell(self, state: Literal["online", "stalled", "offline"], why: str, fps: float = 0.0) -> None:
        told = StreamState(state=state, fps=fps, why=why)
        if told != self._told and not self._gone:
            self._told = told
            self._on_state(told)
