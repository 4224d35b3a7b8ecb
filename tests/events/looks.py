"""Looks at a stream, by hand: a machine, two clocks, and what comes of them."""

from edged.counts.calendar import Calendar, zone_named
from edged.events.look import Look, Moved, Reached, Read, Said, Shown, Still
from edged.events.machine import Machine
from edged.events.settings import RuleSettings
from edged.ops.movements import Crossing, Entered, Left

UTC = Calendar(zone_named("UTC"))
NOON = 1_795_435_200.0
"""Of 24 November 2026, UTC."""
TICKS = 1000.0


class Watched:
    """One stream under its rules: `at` follows `ticks`, until somebody sets the clock."""

    def __init__(self, zones=(), calendar=UTC, acted=None, every=None, **rules):
        self.rules = {name: RuleSettings.model_validate(rule) for name, rule in rules.items()}
        self.machine = Machine(self.rules, zones, calendar, acted or {}, every)
        self.ticks, self.at = TICKS, NOON
        self.told = []

    def later(self, seconds):
        self.ticks += seconds
        if self.at is not None:
            self.at += seconds
        return self

    def look(self, what, ago=0.0):
        at = None if self.at is None else self.at - ago
        new = self.machine.step(Look(self.ticks - ago, at, what))
        self.told += new
        return new

    def moved(self, *tracks, zone="till", movements=(), present=None, ago=0.0, since=None):
        """Who is in the zone: numbers of tracks, or a dict of them with when they came, `captured_at`."""
        came = (
            tracks[0] if tracks and isinstance(tracks[0], dict) else dict.fromkeys(tracks, since or self.at)
        )
        inside = {zone: {number: ("person", when) for number, when in came.items()}}
        present = dict.fromkeys(came, "person") if present is None else present
        return self.look(Moved(movements, inside, present), ago)

    def cut(self):
        """Another picture: nobody has an id yet."""
        return self.look(Moved())

    def crosses(self, line="entrance", direction="in", track=1, ago=0.0):
        return self.look(Moved([Crossing(line, direction, track, "person", self.at)], {}, {}), ago)

    def shown(self, *classes, service="scene-classification"):
        return self.look(Shown(service, None if classes == (None,) else frozenset(classes)))

    def read(self, *texts, service="ocr"):
        return self.look(Read(service, None if texts == (None,) else texts))

    def heard(self, text):
        return self.look(Said(text))

    def still(self):
        return self.look(Still())

    def reached(self, state):
        return self.look(Reached(state))

    def tick(self):
        new = self.machine.tick(self.ticks, self.at)
        self.told += new
        return new

    def during(self, seconds, see, every=0.2):
        """See it again and again, for so long, a tick each second; what came of it."""
        before = len(self.told)
        for number in range(1, round(seconds / every) + 1):
            self.later(every)
            if number % max(round(1 / every), 1) == 0:
                self.tick()
            see()
        return self.told[before:]

    def close(self, reason="reload"):
        new = self.machine.close(lambda kind, name: reason, self.ticks)
        self.told += new
        return new

    def active(self, rule):
        return self.machine.standings()[rule].active

    def since(self, rule):
        return self.machine.standings()[rule].since


def entered(track, at, zone="till"):
    return Entered(zone, track, "person", at)


def left(track, at, since, zone="till"):
    return Left(zone, track, "person", at, since)


def phases(told):
    return [(one.key, one.phase) for one in told]
