"""What is published of what happens before cameras and microphones: lines, zones, rules and events."""

from typing import Literal

from pydantic import Field

from edged.contracts.message import Published


class BothWays(Published):
    """How many crossed a line."""

    in_: int = Field(alias="in")
    """From the left hand to the right of one who looks along it, `from` to `to`."""
    out: int
    """The other way."""


class LineCounts(Published):
    """How many crossed a line; told when one does, when an hour ends, and every 10 s.

    Each crossing is counted once, whatever is killed when; who crosses while the daemon or the camera is away
    is not seen. An empty message takes it back when the line leaves the configuration.
    """

    in_: int = Field(alias="in")
    """In all since `since`: from the left hand to the right of one who looks along it, `from` to `to`."""
    out: int
    """The other way."""
    since: str | None
    """UTC, ISO 8601 with microseconds: when it was counted here first; null: the clock was not set then."""
    by_class: dict[str, BothWays]
    """In all, by class of what crossed."""
    today: BothWays | None
    """Since midnight of `time_zone`; null while nobody has set the box's clock."""
    hour: BothWays | None
    """Since the hour began; null likewise."""


class ZoneCounts(Published):
    """Who is in a zone; told when that changes, and every 10 s.

    All is null while that is not known: the stream is offline, stalled or off, or its service fails. An empty
    message takes it back when the zone leaves the configuration.
    """

    count: int | None
    """So many objects. Who is not seen any more counts for another 1.25 s, or until the second look: somebody
    may have gone by in front."""
    longest_since: str | None
    """UTC, ISO 8601 with microseconds: when the one came in that is in it for the longest time; null also
    where nobody is in it."""
    by_class: dict[str, int] | None
    """By class."""


class EventMessage(Published):
    """Something happened before a camera or a microphone: somebody crossed a line, a rule began to hold.

    QoS 1 and not retained. It comes at least once: after a lost connection, or a kill, one may come again,
    which then has the same `id` and `phase`, and the same `seq`.
    """

    schema_: str = Field(default="edged/event/1", alias="schema")
    """`edged/event/1`."""
    node: str
    """Name of the box."""
    stream: str
    """Name of the stream in the configuration."""
    seq: int
    """Counts the events of this stream from 0, over restarts too. A gap is one that was dropped, since it
    waited too long for the broker."""
    id: str
    """Of a beginning and its end the same, and of nothing else, ever."""
    event: Literal["line", "zone", "rule"]
    """What it is about."""
    phase: Literal["begin", "end", "once"]
    """`begin` and `end` come in pairs; `once`: it was over at once."""
    began_at: str | None
    """UTC, ISO 8601 with microseconds; null: nobody had set the box's clock."""
    ended_at: str | None = None
    """Of an `end`: `began_at` and how long it lasted, by a clock that nobody can set."""
    class_: str | None = Field(default=None, alias="class")
    """Of the object that it is about; null where it is about no single one."""
    track: int | None = None
    """Its id, as in `tracks` of stream messages."""
    line: str | None = None
    """Name of the line."""
    zone: str | None = None
    """Name of the zone."""
    direction: Literal["in", "out"] | None = None
    """How the line was crossed."""
    rule: str | None = None
    """Name of the rule."""
    text: str | None = None
    """What was read or said, where the rule looks for a text."""
    reason: Literal["over", "unknown", "reload", "removed", "disabled", "stopped", "killed"] | None = None
    """Why it ended. `over`: it does not hold any more; `unknown`: for a minute nobody could say; `reload`,
    `removed`: the configuration was read again, or has it no more; `disabled`: the stream was switched off;
    `stopped`, `killed`: the daemon ended."""
    snapshot: str | None = None
    """Address of a JPEG of the moment, with what was seen, as `recording` of stream messages."""
    recording: str | None = None
    """Of cameras with `record`: address of an MP4 file of what happened around the beginning."""


class RuleState(Published):
    """Whether a rule holds; retained, told whenever that changes.

    An empty message takes it back when the rule leaves the configuration.
    """

    active: bool | None
    """null: nobody knows, for its stream is offline, stalled or off. Of a rule for moments, such as a line
    that is crossed, always false."""
    since: str | None
    """UTC, ISO 8601 with microseconds: when that began; of a rule for moments, when the last one was; null:
    unknown."""
