"""Something that happened before a camera or a microphone: it began, it ended, or it was over at once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["line", "zone", "rule"]
Phase = Literal["begin", "end", "once"]
Reason = Literal["over", "unknown", "reload", "removed", "disabled", "stopped", "killed"]
"""Why something ended: it is over; for a minute nobody could say; the configuration was read again, or has
the stream or the rule no more; the stream was switched off; the daemon ended, or was killed."""

Why = Callable[[Kind, str], Reason]
"""Why what goes on of a rule, or of a zone, of this name ends when its stream does."""


@dataclass(frozen=True, slots=True)
class Happening:
    """What the book of events puts down, and the broker is told. The book gives it an identity."""

    kind: Kind
    phase: Phase
    key: str
    """Of a beginning and its end the same, and of nothing else that goes on in this stream at the time."""
    began_at: float | None
    """Seconds since the epoch; none: nobody has set the box's clock."""
    lasted: float | None = None
    """Of an end: seconds since the beginning, by a clock that no step changes."""
    class_name: str | None = None
    track: int | None = None
    line: str | None = None
    zone: str | None = None
    direction: Literal["in", "out"] | None = None
    rule: str | None = None
    text: str | None = None
    """That was read or heard, where a rule looks for one."""
    reason: Reason | None = None
    """Of an end."""
    actions: tuple[str, ...] = ()
    """What is to be done; none where the rule's `cool_down` says so."""
    at_end: tuple[str, ...] = ()
    """Of a beginning: what is to be done when it ends, should nobody be there any more to say so."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a rule is: what its retained topic says."""

    active: bool | None
    """None: nobody knows."""
    since: float | None
    """Seconds since the epoch: when that began; of a rule for moments when the last was; none: unknown."""
