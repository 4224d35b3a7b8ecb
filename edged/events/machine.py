"""What happens before one camera or microphone, by what it shows. Time comes in; nothing runs in here."""

from collections.abc import Collection, Mapping

from edged.counts.calendar import Calendar
from edged.events.episode import When
from edged.events.happening import Happening, Standing, Why
from edged.events.look import Look, Moved
from edged.events.rule_watch import Moments, MomentWatch, RuleWatch
from edged.events.scene import Occupants, Scene
from edged.events.settings import RuleSettings
from edged.events.visits import Visits

PASS_S = 1.0
"""So often it is asked what mere time has done, if looks come without ticks."""


class Machine:
    """The rules, lines and zones of one stream. Not thread-safe.

    A look's own time counts for what it shows; one that is older than the last of its service says nothing
    but who crossed a line.
    """

    def __init__(
        self,
        rules: Mapping[str, RuleSettings],
        zones_with_events: Collection[str],
        calendar: Calendar,
        acted: Mapping[str, float],
        every: Mapping[str, float] | None = None,
    ) -> None:
        """`rules`: those of this stream; `acted`: by rule, ticks of its last actions; `every`: by service,
        seconds from one result to the next, where the configuration says so."""
        self._watches = {
            name: (MomentWatch if rule.is_moment else RuleWatch)(name, rule, calendar, acted.get(name))
            for name, rule in rules.items()
        }
        watches = self._watches.values()
        self._lasting = [watch for watch in watches if isinstance(watch, RuleWatch)]
        self._moments = Moments([watch for watch in watches if isinstance(watch, MomentWatch)])
        stays = {rule.when.place or "" for rule in rules.values() if rule.when.stays is not None}
        zones = {zone: Occupants() for zone in stays | {*zones_with_events}}
        self._scene = Scene(zones, every or {})
        self._visits = Visits(sorted(zones_with_events))
        self._passed = float("-inf")
        """Ticks of the last look at what mere time has done."""

    def step(self, look: Look) -> list[Happening]:
        """What comes of a look."""
        when = When(look.ticks, look.at)
        told = self.tick(look.ticks, look.at) if look.ticks - self._passed >= PASS_S else []
        told += self._moments.step(look)
        parts = self._scene.put(look)
        if isinstance(look.what, Moved) and parts:
            told += self._visits.step(self._scene, look.what, when)
        for watch in self._lasting:
            if parts and watch.wants(parts):
                told += watch.step(self._scene, when, is_look=True)
        return told

    def tick(self, ticks: float, at: float | None) -> list[Happening]:
        """What comes of mere time: once a second, or so."""
        self._passed = max(self._passed, ticks)
        told = self._visits.tick(ticks)
        for watch in self._lasting:
            told += watch.step(self._scene, When(ticks, at), is_look=False)
        return told

    def close(self, why: Why, ticks: float) -> list[Happening]:
        """Whatever goes on ends."""
        told = self._visits.close(why, ticks)
        for watch in self._lasting:
            told += watch.close(why("rule", watch.name), ticks)
        return told

    def standings(self) -> Mapping[str, Standing]:
        """How each rule is."""
        return {name: watch.standing for name, watch in self._watches.items()}
