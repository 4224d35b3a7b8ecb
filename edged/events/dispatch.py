"""Gives the broker the events that it does not have: in their order, at least once, a window at a time."""

from collections.abc import Callable
from functools import partial
from typing import Protocol

from edged.contracts.message import RuleState
from edged.counts.chronicle import Chronicle
from edged.events.book import EventBook

WINDOW = 64
"""Events that are in the connection's hands at most; the others stay on disk."""


class EventWay(Protocol):
    """A way to the broker. Nothing blocks, and all may be called while the broker is away."""

    def event(self, stream: str, body: bytes, settled: Callable[[], None]) -> None:
        """An encoded message; `settled`: the broker has it, or will never take it. Called from any thread."""

    def rule(self, rule: str, state: RuleState) -> None:
        """Retained: how a rule is."""


class Dispatch:
    """Used by the desk's thread; a message is settled in any."""

    def __init__(self, chronicle: Chronicle, wake: Callable[[], object]) -> None:
        """`wake`: there is a turn to take."""
        self._chronicle = chronicle
        self._wake = wake
        self._channel: EventWay | None = None
        self._cursor = 0
        """Number of the event that was handed over last."""
        self._handed: set[int] = set()
        """Handed over to this channel, and not settled."""
        self._settled: set[int] = set()
        """Of which the book does not know yet that they are."""

    def turn(self, channel: EventWay | None) -> bool:
        """Put down what is settled, hand over as much as there is room for. Whether the channel is new."""
        self.note()
        is_new = channel is not self._channel
        if is_new:
            self._channel, self._cursor = channel, 0
            self._handed.clear()
        if channel is not None and (room := WINDOW - len(self._handed)) > 0:
            unsent = self._chronicle.do(lambda db: EventBook(db).unsent(self._cursor, room))
            for number, stream, body in unsent or ():
                self._cursor = number
                if number not in self._settled:
                    self._handed.add(number)
                    channel.event(stream, body, partial(self._settle, number))
        return is_new and channel is not None

    def note(self) -> None:
        """Put down what is settled."""
        settled = self._settled.copy()
        if settled and self._chronicle.do(lambda db: EventBook(db).sent(settled)) is not None:
            self._settled -= settled

    def _settle(self, number: int) -> None:
        self._handed.discard(number)
        self._settled.add(number)
        self._wake()
