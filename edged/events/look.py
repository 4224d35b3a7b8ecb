"""What a stream shows at one moment, as far as rules want to know it.

Two clocks are in it. `ticks` are seconds that nobody can set: durations are theirs. `at` is the wall clock of
the capture, seconds since the epoch: it names moments, and nothing is measured with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from edged.ops.movements import Movement

Inside = Mapping[str, Mapping[int, tuple[str, float]]]
"""By zone, of everyone who is in it by the number of the track: class, and since when (`captured_at`)."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A look at a camera whose objects are followed."""

    movements: Sequence[Movement] = ()
    """What they did at lines and zones since the look before."""
    inside: Inside | None = None
    """Who is in the zones; none: not known yet, for nobody has an id in the first looks."""
    present: Mapping[int, str] | None = None
    """The class of everyone who is followed now, by track; none: likewise."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a service that does not follow objects shows: names of classes; none: it failed."""

    service: str
    classes: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Read:
    """The texts that a service reads in a picture; none: it failed."""

    service: str
    texts: Sequence[str] | None


@dataclass(frozen=True, slots=True)
class Said:
    """Somebody has said something; the utterance has ended."""

    text: str


@dataclass(frozen=True, slots=True)
class Still:
    """Nothing moved in a picture, so it was not looked at: all is as it was."""


@dataclass(frozen=True, slots=True)
class Reached:
    """How the source of the stream is from now on."""

    state: Literal["online", "stalled", "offline"]


@dataclass(frozen=True, slots=True)
class Look:
    """One thing that became known of a stream."""

    ticks: float
    """Seconds of a clock that no step changes, at the capture."""
    at: float | None
    """Seconds since the epoch at the capture; none: nobody has set the box's clock."""
    what: Moved | Shown | Read | Said | Still | Reached = field(default_factory=Still)
