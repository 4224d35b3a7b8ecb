"""An event in plain words, for a phone: what, where, when by the clock on the wall, and how long."""

from collections.abc import Iterator
from datetime import datetime, tzinfo

from edged.contracts.happenings import EventMessage

_REASONS = {
    "unknown": "nobody could say any more whether it holds",
    "reload": "the configuration was read again",
    "removed": "the configuration has it no more",
    "disabled": "the stream was switched off",
    "stopped": "edged was stopped",
    "killed": "edged was killed",
}


def title(event: EventMessage) -> str:
    """Such as `queue began at door`."""
    what = event.rule or event.line or event.zone or event.event
    if event.phase == "once":
        return f"{what} at {event.stream}"
    ends = "is over" if event.reason in ("over", None) else "ended"
    return f"{what} {'began' if event.phase == 'begin' else ends} at {event.stream}"


def when(event: EventMessage, zone: tzinfo, now: datetime) -> str:
    """Of the beginning, or of the end: `22:14`, of another day `22:14 on 26 November`."""
    told = event.ended_at if event.phase == "end" else event.began_at
    if told is None:
        return "at a time unknown, for the clock was not set"
    then = datetime.fromisoformat(told).astimezone(zone)
    today = then.date() == now.astimezone(zone).date()
    return f"{then:%H:%M}" if today else f"{then:%H:%M} on {then.day} {then:%B}"


def details(event: EventMessage, left_out: int) -> Iterator[str]:
    """Sentences about it; `left_out`: messages before it that nobody was sent. What may not be shared is not
    in the event any more."""
    place = f"line {event.line}" if event.line else f"zone {event.zone}" if event.zone else None
    about = [part for part in (event.class_, event.direction, place) if part is not None]
    if event.rule and about:
        yield f"{', '.join(about)}."
    if event.phase == "end" and event.began_at and event.ended_at:
        lasted = datetime.fromisoformat(event.ended_at) - datetime.fromisoformat(event.began_at)
        yield f"It lasted {_long(lasted.total_seconds())}."
    if event.reason in _REASONS:
        yield f"It ended, for {_REASONS[event.reason]}."
    if event.text is not None:
        yield f"\N{LEFT DOUBLE QUOTATION MARK}{event.text}\N{RIGHT DOUBLE QUOTATION MARK}"
    if event.recording is not None:
        yield f"Recording: {event.recording}"
    if left_out:
        yield f"And {left_out} more before it, which were left out."


def _long(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
