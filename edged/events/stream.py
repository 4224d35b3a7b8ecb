"""What one stream has to do with events: what happens gets an identity and is put down."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from edged.contracts.happenings import EventMessage
from edged.counts.book import Passage
from edged.events.book import Noted
from edged.events.happening import Happening, Standing
from edged.flow.clock import iso_utc

ID_BYTES = 12


@dataclass(frozen=True)
class Registrar:
    """What a stream asks of the desk; all may be called from any thread."""

    node: str
    put: Callable[[str, Sequence[Passage], Callable[[], Sequence[Noted]]], None]
    """Crossings of a stream and what happened, which is asked for once nothing can come in between."""
    stand: Callable[[str, Standing], None]
    """How a rule is."""
    acted: Callable[[], Mapping[str, float]]
    """When each rule acted last."""
    closed: Callable[["StreamEvents"], None]
    """Nothing happens in a stream any more."""
    counted: Callable[[str], None]
    """What went wrong."""
    snapshot: Callable[[str], str | None]
    """The address of a picture of what a stream shows now; none: there is none."""
    record: Callable[[str], str | None]
    """The address of a recording of what a stream shows now; none: it is not recorded."""


class StreamEvents:
    """Of one stream. Safe from all threads; nothing raises, and nothing waits long."""

    def __init__(self, stream: str, registrar: Registrar, on_tick: Callable[[], object]) -> None:
        self.stream = stream
        self.on_tick = on_tick
        """Called every second, in the desk's thread."""
        self._desk = registrar
        self._begun: dict[str, tuple[EventMessage, float | None]] = {}
        """What goes on, by key, and since when."""

    def put(self, passages: Sequence[Passage], happenings: Sequence[Happening]) -> None:
        """Crossings and happenings of one look: all of it is put down, or nothing.

        A full disk makes it wait, in order.
        """
        begins = any(one.phase != "end" for one in happenings)
        snapshot = self._desk.snapshot(self.stream) if begins else None
        recording = self._desk.record(self.stream) if begins else None

        def noted() -> list[Noted]:
            made = (self._noted(one, snapshot, recording) for one in happenings)
            return [one for one in made if one is not None]

        if passages or happenings:
            self._desk.put(self.stream, passages, noted)

    def standings(self, standings: Mapping[str, Standing]) -> None:
        """How the rules are: told where that changed."""
        for rule, standing in standings.items():
            self._desk.stand(rule, standing)

    def acted(self) -> Mapping[str, float]:
        """When each rule acted last, seconds since the epoch; in earlier runs, too."""
        return self._desk.acted()

    def close(self) -> None:
        """The stream ends. What goes on is ended before."""
        self._desk.closed(self)

    def _noted(self, one: Happening, snapshot: str | None, recording: str | None) -> Noted | None:
        if one.phase == "end":
            return self._end(one)
        message = EventMessage.model_validate(
            {
                "node": self._desk.node,
                "stream": self.stream,
                "seq": 0,
                "id": secrets.token_hex(ID_BYTES),
                "event": one.kind,
                "phase": one.phase,
                "began_at": None if one.began_at is None else iso_utc(one.began_at),
                "class": one.class_name,
                "track": one.track,
                "line": one.line,
                "zone": one.zone,
                "direction": one.direction,
                "rule": one.rule,
                "text": one.text,
                "snapshot": snapshot,
                "recording": recording,
            }
        )
        if one.phase == "begin":
            self._begun[one.key] = message, one.began_at
        return Noted(message, one.key, one.began_at, one.actions, one.at_end)

    def _end(self, one: Happening) -> Noted | None:
        if (begun := self._begun.pop(one.key, None)) is None:
            self._desk.counted("an end without a beginning")
            return None
        message, began_at = begun
        at = None if began_at is None else began_at + (one.lasted or 0.0)
        return Noted(ended(message, at, one.reason or "over"), one.key, at, one.actions)


def ended(begin: EventMessage, at: float | None, reason: str) -> EventMessage:
    """The end of what began with this message; `at`: seconds since the epoch."""
    when = None if at is None else iso_utc(at)
    return begin.model_copy(update={"phase": "end", "ended_at": when, "reason": reason})
