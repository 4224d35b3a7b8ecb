"""Events of all streams as one unit: puts them down, sends them, and tells how the rules are."""

import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from edged.counts.book import CountBook, Passage
from edged.counts.chronicle import Chronicle, Entry
from edged.counts.said import trusted
from edged.events.archive import EventQuery, NumberedEvent, kept
from edged.events.book import EventBook, Noted
from edged.events.dispatch import Dispatch, EventWay
from edged.events.event_settings import EventSettings
from edged.events.rule_board import RuleBoard
from edged.events.stream import Registrar, StreamEvents, ended
from edged.flow.counters import Counters

TICK_S = 1.0
TIDY_S = 600.0


@dataclass(frozen=True)
class Surroundings:
    """What the desk needs of others; nothing of it blocks."""

    counted: Callable[[str, Sequence[Passage]], Entry]
    """How crossings of a stream are put down."""
    channel: Callable[[], EventWay | None]
    """The way to the broker; none while there is none. Another one knows nothing of what the last one had."""
    heard: Callable[[], object]
    """There are new events in the book."""
    snapshot: Callable[[str], str | None]
    """As of `Registrar`."""
    record: Callable[[str], str | None]


class EventDesk:
    """A unit. After `start` nothing raises but `kept`: what cannot be written waits for the disk."""

    def __init__(
        self,
        node: str,
        settings: EventSettings,
        chronicle: Chronicle,
        counters: Counters,
        around: Surroundings,
    ) -> None:
        self._node = node
        self._settings = settings
        self._chronicle = chronicle
        self._counters = counters
        self._around = around
        self._streams: dict[str, StreamEvents] = {}
        self.rules = RuleBoard(chronicle, around.channel)
        """How they are told."""
        self._wake = threading.Event()
        self._dispatch = Dispatch(chronicle, self._wake.set)
        self._stopping = False
        self._beat = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)

    def start(self) -> None:
        """End what an earlier run left open, and begin to send."""
        self._chronicle.put(Entry(self._end_left, lambda: self._written(())))
        self.rules.remember()
        self._thread.start()

    def stop(self) -> None:
        """Send nothing any more; what waits is sent by the next run."""
        self._stopping = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(10)
        self._dispatch.note()

    def state(self) -> str:
        """Whether something can be written says the chronicle."""
        return "running"

    def beat(self) -> float:
        """Of its thread."""
        return self._beat

    def queued(self) -> dict[str, int]:
        """Events that the broker does not have."""
        return {"events": self._chronicle.do(lambda db: EventBook(db).waiting()) or 0}

    def open(self, stream: str, on_tick: Callable[[], object] = lambda: None) -> StreamEvents:
        """Something may happen in a stream; `on_tick` is called every second."""
        events = StreamEvents(stream, self._registrar(), on_tick)
        with self._chronicle.lock:
            self._streams[stream] = events
        return events

    def kept(self, wanted: EventQuery) -> list[NumberedEvent]:
        """Events, the newest first. Raises `NotReady`."""
        return kept(self._chronicle.path, wanted)

    def newest(self) -> int:
        """Number of the newest event; 0: there is none."""
        return self._chronicle.do(lambda db: EventBook(db).newest()) or 0

    def _registrar(self) -> Registrar:
        return Registrar(
            node=self._node,
            put=self._put,
            stand=self.rules.put,
            acted=self._acted,
            closed=self._closed,
            counted=lambda what: self._counters.count("event_failures", what),
            snapshot=self._around.snapshot if self._settings.snapshots else lambda stream: None,
            record=self._around.record,
        )

    def _put(self, stream: str, passages: Sequence[Passage], happened: Callable[[], Sequence[Noted]]) -> None:
        with self._chronicle.lock:
            noted = happened()
            entries = [self._around.counted(stream, passages)] if passages else []
            if noted:
                now = time.time() if trusted() else None
                entries.append(Entry(lambda db: _put_down(db, noted, now), lambda: self._written(noted)))
            self._chronicle.put(*entries)

    def _written(self, noted: Sequence[Noted]) -> None:
        for one in noted:
            self._counters.count(f"events/{one.message.stream}", f"{one.message.event} {one.message.phase}")
        self._wake.set()
        self._around.heard()

    def _acted(self) -> Mapping[str, float]:
        return self._chronicle.do(lambda db: EventBook(db).acted()) or {}

    def _closed(self, events: StreamEvents) -> None:
        with self._chronicle.lock:
            if self._streams.get(events.stream) is events:
                del self._streams[events.stream]

    def _end_left(self, db: sqlite3.Connection) -> None:
        """What began in an earlier run has ended with it, when its stream was looked at last."""
        book, counts = EventBook(db), CountBook(db)
        for begun in book.going_on():
            looked_at = counts.looked_at(begun.message.stream)
            at = None if begun.at is None else max(begun.at, looked_at or begun.at)
            end = Noted(ended(begun.message, at, "killed"), begun.key, at, begun.at_end)
            book.put(end, time.time() if trusted() else None)

    def _run(self) -> None:
        tick_at = tidy_at = time.monotonic()
        while not self._stopping:
            self._wake.wait(max(0.0, tick_at - time.monotonic()))
            self._wake.clear()
            self._beat = now = time.monotonic()
            self._send()
            if now >= tick_at:
                tick_at = now + TICK_S
                self._chronicle.flush()
                for events in list(self._streams.values()):
                    events.on_tick()
            if now >= tidy_at:
                tidy_at = now + TIDY_S
                self._tidy()

    def _send(self) -> None:
        if self._dispatch.turn(self._around.channel()):
            self.rules.tell_all()

    def _tidy(self) -> None:
        now = time.time() if trusted() else None
        if given_up := self._chronicle.do(lambda db: EventBook(db).tidy(self._settings, now)):
            self._counters.count("event_failures", "never sent: too old or too many", given_up)


def _put_down(db: sqlite3.Connection, noted: Sequence[Noted], now: float | None) -> None:
    book = EventBook(db)
    for one in noted:
        book.put(one, now)
