"""From the settings of a stream and its rules to its witness; and why streams end."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from edged.answers.kinds import KINDS
from edged.config.settings import Config, StreamSettings
from edged.contracts.items import Frame
from edged.contracts.message import StreamState
from edged.contracts.services import service
from edged.core import Core
from edged.counts.calendar import Calendar
from edged.counts.stream import StreamCounts
from edged.events.happening import Kind, Reason, Why
from edged.events.machine import Machine
from edged.events.settings import RuleSettings
from edged.flow import clock
from edged.streams.counting import Counting
from edged.streams.lane import RunSettings
from edged.streams.message import Outcome, taken_at
from edged.streams.noticing import Interest
from edged.streams.publisher import Outlet
from edged.streams.tracking import Tracking
from edged.streams.witness import Witness
from edged.wiring.counts import calendar_of

Rules = Mapping[str, RuleSettings]


def may_happen(stream: StreamSettings, rules: Rules) -> bool:
    """Whether there can be events of a stream; `rules`: those over it."""
    return bool(rules or stream.lines or any(zone.events for zone in stream.zones.values()))


def interest_of(stream: StreamSettings, rules: Rules) -> Interest:
    """What rules want to know of the services of their stream that follow no objects."""
    whens = [rule.when for rule in rules.values()]
    classes = frozenset(when.seen for when in whens if when.seen is not None)
    return Interest(
        frozenset() if stream.tracked is not None else classes,
        texts=any(when.text is not None for when in whens),
        speech=any(when.said is not None for when in whens),
    )


def classes_of(name: str, stream: StreamSettings, rules: Rules) -> dict[str, Collection[str]]:
    """The classes that lines, zones and rules of a stream want, by place in the configuration."""
    counted = {f"streams.{name}.{key}.classes": classes for key, classes in stream.wanted().items()}
    seen = {f"rules.{rule}.when.seen": [at.when.seen] for rule, at in rules.items() if at.when.seen}
    return {**counted, **seen}


def machine_of(
    stream: StreamSettings, rules: Rules, calendar: Calendar, acted: Mapping[str, float]
) -> Machine:
    """What judges the looks at a stream. `acted`: as of `Machine`."""
    zones = [name for name, zone in stream.zones.items() if zone.events]
    return Machine(rules, zones, calendar, acted, stream.intervals)


@dataclass(frozen=True)
class Attention:
    """Who wants to know what a stream shows, beside those who get its messages: its counts, and its rules."""

    counts: StreamCounts | None = None
    witness: Witness | None = None
    why: Why = field(default=lambda kind, name: "stopped")
    """Why what goes on ends, where the stream does."""
    classes: Mapping[str, Collection[str]] = field(default_factory=dict)
    """That are wanted, by place in the configuration."""

    def outlet(self, outlet: Outlet, runs: Sequence[RunSettings] = ()) -> Outlet:
        """That of the stream, which tells the rules of each outcome if one of them wants to know. `runs`: its
        services."""
        if self.witness is None or not self.witness.wanted:
            return outlet
        shown = [run for run in runs if KINDS[service(run.service).result].only is not None]
        # of several services each may know some of the classes
        return replace(outlet, notice=self._notice, classes=self.classes if len(shown) == 1 else {})

    def tracking(self, stream: StreamSettings) -> Tracking | None:
        """How its objects are followed; none: they are not."""
        if stream.tracked is None or self.counts is None:
            return None
        moved = (lambda at, moved: None) if self.witness is None else self.witness.moved
        counting = Counting(stream, self.counts, moved)
        return Tracking(stream.tracked.service, self.counts, counting, self.classes)

    def still(self, frame: Frame) -> None:
        """Nothing moves."""
        if self.witness is not None:
            self.witness.still(frame.captured_at)

    def told(self, state: StreamState) -> None:
        """How the source is; who is in its zones is known only while it shows something."""
        if self.counts is not None and state.state != "online":
            self.counts.unknown()
        if self.witness is not None:
            self.witness.reached(state.state)

    def stopping(self) -> None:
        """The stream is about to end."""
        if self.witness is not None:
            self.witness.leave()

    def stopped(self) -> None:
        """It has ended."""
        if self.witness is not None:
            self.witness.close(self.why)
        if self.counts is not None:
            self.counts.close()

    def _notice(self, outcome: Outcome) -> None:
        if self.witness is not None:
            self.witness.notice(outcome)
        if self.counts is not None:
            self.counts.looked(taken_at(outcome.item))


class Endings:
    """Knows why what goes on of a stream ends, which ends just now."""

    def __init__(self, switched_off: Callable[[], Collection[str]]) -> None:
        """`switched_off` gives the names of streams."""
        self._switched_off = switched_off
        self._settings = Config()
        self._ends = False

    def goes_on(self, settings: Config) -> None:
        """Units are about to be made what they should be: by this configuration."""
        self._settings = settings

    def end(self) -> None:
        """The daemon ends."""
        self._ends = True

    def why(self, stream: str, kind: Kind, name: str) -> Reason:
        """Why what goes on of a rule, or a zone, of this stream does."""
        if self._ends:
            return "stopped"
        if (known := self._settings.streams.get(stream)) is None:
            return "removed"
        if stream in self._switched_off():
            return "disabled"
        there = self._settings.rules if kind == "rule" else known.zones
        return "reload" if name in there else "removed"


def attention_of(core: Core, settings: Config, name: str, stream: StreamSettings, why: Why) -> Attention:
    """What a stream needs for its counts and its rules. Raises `NotReady` while nobody keeps them."""
    counts = (
        core.counts().open(name, [*stream.lines], [*stream.zones]) if stream.tracked is not None else None
    )
    rules = settings.rules_of(name)
    classes = classes_of(name, stream, rules)
    if not may_happen(stream, rules):
        return Attention(counts, classes=classes)
    events = core.events().open(name)
    machine = machine_of(stream, rules, calendar_of(settings), _in_ticks(events.acted()))
    witness = Witness(machine, events, interest_of(stream, rules))
    events.on_tick = witness.tick
    return Attention(counts, witness, why, classes)


def _in_ticks(acted: Mapping[str, float]) -> dict[str, float]:
    """Moments of the wall clock, by the clock that nobody sets."""
    now, ticks = time.time(), clock.ticks()
    return {rule: ticks - max(now - at, 0.0) for rule, at in acted.items()}
