"""Where the results of a stream go: all to its live view, to the sinks those that the rule lets through."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import orjson

from edged.answers.drawing import jpeg_of
from edged.answers.finding import Finding
from edged.answers.kind import State
from edged.contracts.errors import EdgedError
from edged.contracts.items import Frame, LiveClip
from edged.contracts.message import ModelFacts
from edged.contracts.service import Service
from edged.flow.counters import Counters
from edged.flow.mailbox import Latest
from edged.streams.live import LiveView
from edged.streams.rule import NOTHING, Failed, PublishSettings, Rule

Sink = Callable[[str, str, bytes], None]
"""Where stream messages go: called with stream, service and the encoded message; must not block."""

PictureSink = Callable[[str, float, bytes], None]
"""Where snapshots go: called with stream, `captured_at` and the JPEG; must not block."""


@dataclass(frozen=True)
class Outlet:
    """Where the results of one stream go."""

    node: str
    stream: str
    sinks: Sequence[Sink]
    counters: Counters
    pictures: Sequence[PictureSink] = ()
    view: LiveView = field(default_factory=LiveView)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one frame or clip: a finding, or an error."""

    item: Frame | LiveClip
    service: Service
    model: ModelFacts
    finding: Finding | None = None
    """None when there is an error."""
    error: EdgedError | None = None


TAKEN_BACK = ("",)
"""The state when somebody was heard to say something, and in the end had said nothing."""


class Publisher:
    """Tells what the rule lets through. One object a stream and service, fed by one worker at a time."""

    def __init__(self, outlet: Outlet, settings: PublishSettings) -> None:
        self._to = outlet
        self._settings = settings
        self._rule: Rule[Outcome] = Rule(settings, self._suppressed)
        self._seq = 0
        self._timer: threading.Timer | None = None
        self._timer_at: float | None = None
        self._closed = False
        self._growing: int | None = None
        """The utterance of which a part was told last."""
        self._lock = threading.Lock()  # the timer has a thread of its own
        self.snapshots: Latest[Outcome] | None = Latest(self._snapshot_dropped) if settings.snapshot else None
        """What is to be shown, for a lane of its own: no message waits for a picture."""

    def offer(self, outcome: Outcome) -> None:
        """A new outcome: told now, later or never."""
        kept, state = self._narrowed(outcome)
        with self._lock:
            if state is State.SILENT and self._is_awaited(outcome.item):
                state = TAKEN_BACK
            self._tell(self._rule.offer(kept, state, time.monotonic()))

    def send_snapshot(self, outcome: Outcome) -> None:
        """Encode and send the picture of an outcome; of sound there is none."""
        frame = outcome.item
        if isinstance(frame, LiveClip) or outcome.finding is None:
            return
        with self._to.counters.timed("snapshot"):
            jpeg = jpeg_of([frame], [outcome.finding])
        for sink in self._to.pictures:
            sink(self._to.stream, frame.captured_at, jpeg)

    def close(self) -> None:
        """Tell nothing any more, not even what waits."""
        with self._lock:
            self._closed = True
            self._arm(None)

    def _narrowed(self, outcome: Outcome) -> tuple[Outcome, Any]:
        """The outcome with the wanted classes only, and the state that it shows."""
        finding = outcome.finding
        if finding is None:
            return outcome, Failed(outcome.error.code if outcome.error else 500)
        if self._settings.classes:
            finding, left = finding.only(self._settings.classes)
            outcome = replace(outcome, finding=finding)
            if not left:
                return outcome, NOTHING
        return outcome, finding.gist()

    def _is_awaited(self, item: Frame | LiveClip) -> bool:
        """Whether a part of this utterance was told, so that its end must be."""
        return isinstance(item, LiveClip) and item.final and item.seq == self._growing

    def _tell(self, outcome: Outcome | None) -> None:
        """Send what the rule gave, and wait for what it holds; with the lock held."""
        if self._closed:
            return
        if outcome is not None:
            body = _encoded(self._to, self._seq, outcome)
            self._seq += 1
            item = outcome.item
            self._growing = item.seq if isinstance(item, LiveClip) and not item.final else None
            for sink in self._to.sinks:
                sink(self._to.stream, outcome.service.name, body)
            if self.snapshots is not None and outcome.error is None:
                self.snapshots.put(outcome)
        self._arm(self._rule.due())

    def _arm(self, due: float | None) -> None:
        if due == self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_at = None, due
        if due is not None:
            self._timer = threading.Timer(max(0.0, due - time.monotonic()), self._ring)
            self._timer.daemon = True
            self._timer.start()

    def _ring(self) -> None:
        with self._lock:
            self._timer = self._timer_at = None
            self._tell(self._rule.release(time.monotonic()))

    def _suppressed(self, reason: str) -> None:
        self._to.counters.count(f"results_suppressed/{self._to.stream}", reason)

    def _snapshot_dropped(self) -> None:
        self._to.counters.count(f"snapshots_dropped/{self._to.stream}", "busy")


def _encoded(outlet: Outlet, seq: int, outcome: Outcome) -> bytes:
    """The stream message of an outcome."""
    item, model = outcome.item, outcome.model
    message: dict[str, Any] = {
        "schema": outcome.service.schema_id,
        "node": outlet.node,
        "stream": outlet.stream,
        "seq": seq,
        "captured_at": iso_utc(item.captured_at),
        "latency_ms": round(age(item) * 1000, 1),
        **_facts(item),
        "model": {"name": model.name, "variant": model.variant, "device": model.device},
    }
    try:
        if outcome.error is not None:
            raise outcome.error
        message["result"] = outcome.finding.answer() if outcome.finding else None
    except EdgedError as error:
        message["error"] = {"code": error.code, "message": str(error)}
    return orjson.dumps(message, option=orjson.OPT_SERIALIZE_NUMPY)


def age(item: Frame | LiveClip) -> float:
    """Seconds since it was captured, a clip wholly."""
    captured_at = item.captured_at + (item.clip.seconds if isinstance(item, LiveClip) else 0.0)
    return time.time() - captured_at


def _facts(item: Frame | LiveClip) -> dict[str, Any]:
    if isinstance(item, LiveClip):
        clip = {"start_us": item.clip.start_us, "seconds": round(item.clip.seconds, 3), "seq": item.seq}
        return {"clip": clip, "final": item.final}
    return {"frame": {"width": item.width, "height": item.height, "seq": item.seq}}


def iso_utc(seconds: float) -> str:
    """Seconds since the epoch as ISO 8601 in UTC with microseconds."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
