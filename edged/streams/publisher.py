"""What of a stream is told, and when: through the rule, at its time, to every sink."""

import threading
import time
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from edged.answers.drawing import jpeg_of
from edged.answers.finding import Finding
from edged.answers.kind import State
from edged.contracts.errors import EdgedError
from edged.contracts.items import LiveClip
from edged.flow.counters import Counters
from edged.flow.mailbox import Latest
from edged.streams.live import LiveView
from edged.streams.message import Outcome, encoded
from edged.streams.rule import NOTHING, Failed, PublishSettings, Rule

Sink = Callable[[str, str, bytes], None]
"""Where stream messages go: called with stream, service and the encoded message; must not block."""

PictureSink = Callable[[str, float, bytes], None]
"""Where snapshots go: called with stream, `captured_at` and the JPEG; must not block."""


def _records_nothing() -> None:
    """No recording."""


def _nobody_wants(outcome: Outcome) -> None:
    """No rule is about it."""


TAKEN_BACK = ("",)
"""The state when somebody was heard to say something, and in the end had said nothing."""


@dataclass(frozen=True)
class Outlet:
    """Where the results of one stream go."""

    node: str
    stream: str
    sinks: Sequence[Sink]
    counters: Counters
    pictures: Sequence[PictureSink] = ()
    view: LiveView = field(default_factory=LiveView)
    record: Callable[[], str | None] = _records_nothing
    """Records what happens now, and gives the address of the file; none: nothing is recorded."""
    notice: Callable[[Outcome], None] = _nobody_wants
    """Called with each outcome, whether it is published or not."""
    classes: Mapping[str, Collection[str]] = field(default_factory=dict)
    """What rules want to see, by place in the configuration, of the stream's only service with classes."""


class Publisher:
    """Tells what the rule lets through. One object a stream and service, fed by one worker at a time."""

    def __init__(self, outlet: Outlet, settings: PublishSettings) -> None:
        self._to = outlet
        self._classes = settings.classes
        self._tells_events = settings.on == "change"
        self._rule: Rule[Outcome] = Rule(settings, self._suppressed)
        self._seq = 0
        self._growing: int | None = None
        """The utterance of which a part was told last."""
        self._timer: threading.Timer | None = None
        self._timer_at: float | None = None
        self._closed = False
        self._lock = threading.Lock()  # the timer has a thread of its own
        self.snapshots: Latest[Outcome] | None = Latest(self._snapshot_dropped) if settings.snapshot else None
        """What is to be shown, for a lane of its own: no message waits for a picture."""

    def offer(self, outcome: Outcome) -> None:
        """A new outcome: told now, later or never."""
        kept, state = self._narrowed(outcome)
        with self._lock:
            if state is State.SILENT and self._is_awaited(outcome):
                state = TAKEN_BACK
            sure = isinstance(outcome.item, LiveClip)
            self._tell(self._rule.offer(kept, state, time.monotonic(), sure=sure))

    def send_snapshot(self, outcome: Outcome) -> None:
        """Encode and send the picture of an outcome; of sound and of failures there is none."""
        frame, finding = outcome.item, outcome.finding
        if isinstance(frame, LiveClip) or isinstance(finding, EdgedError):
            return
        with self._to.counters.timed("snapshot"):
            jpeg = jpeg_of([frame], [finding])
        for sink in self._to.pictures:
            sink(self._to.stream, frame.captured_at, jpeg)

    def close(self) -> None:
        """Tell nothing any more, not even what waits."""
        with self._lock:
            self._closed = True
            self._arm(None)

    def _narrowed(self, outcome: Outcome) -> tuple[Outcome, Hashable]:
        """The outcome with the wanted classes only, and the state that it shows."""
        finding = outcome.finding
        if isinstance(finding, EdgedError):
            return outcome, Failed(finding.code)
        if not self._classes:
            return outcome, finding.gist()
        kept, left = finding.only(self._classes)
        tracks = outcome.tracks
        if tracks is not None:
            names = zip(tracks, finding.result.class_names, strict=True)
            tracks = [track for track, name in names if name in self._classes]
        return replace(outcome, finding=kept, tracks=tracks), kept.gist() if left else NOTHING

    def _is_awaited(self, outcome: Outcome) -> bool:
        """Whether a part of this utterance was told, so that its end must be."""
        item = outcome.item
        return isinstance(item, LiveClip) and item.final and item.seq == self._growing

    def _tell(self, outcome: Outcome | None) -> None:
        """Send what the rule gave, and wait for what it holds; with the lock held."""
        if self._closed:
            return
        if outcome is not None:
            item = outcome.item
            self._growing = item.seq if isinstance(item, LiveClip) and not item.final else None
            recording = self._to.record() if self._is_event(outcome) else None
            body = encoded(self._to.node, self._to.stream, self._seq, outcome, recording)
            self._seq += 1
            for sink in self._to.sinks:
                sink(self._to.stream, outcome.service.name, body)
            if self.snapshots is not None and isinstance(outcome.finding, Finding):
                self.snapshots.put(outcome)
        self._arm(self._rule.due())

    def _is_event(self, outcome: Outcome) -> bool:
        """Whether something began or ended; that nothing was seen when the camera was opened is neither."""
        finding = outcome.finding
        if not self._tells_events or isinstance(finding, EdgedError):
            return False
        state = finding.gist()
        return state is not State.NEW and (self._seq > 0 or state != NOTHING)

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
