"""One rule over one stream, and what comes of it."""

import math
from collections import deque
from collections.abc import Callable, Iterator
from functools import lru_cache, partial

from edged.counts.calendar import Calendar
from edged.events.conditions import NO, NOBODY_KNOWS, About, Holding, condition_of
from edged.events.episode import Episode, Waits, When
from edged.events.happening import Happening, Phase, Reason, Standing
from edged.events.look import Look, Moved, Said
from edged.events.scene import FRESH_S, GAP_S, Part, Scene
from edged.events.settings import RuleSettings, finder
from edged.ops.movements import Crossing

MOST_EPISODES = 256
"""Of one rule that go on at the same time: texts, or people who stay; more are not told."""
_REMEMBERED = 256
"""Moments by which one that comes twice is known."""


class Alarm:
    """The actions of one rule."""

    def __init__(self, rule: RuleSettings, acted: float | None) -> None:
        """`acted`: ticks of the last ones; none: never."""
        self._rule = rule
        self._acted = acted

    def rings(self, ticks: float) -> bool:
        """Whether actions are to be done now; they are, then."""
        acted = -math.inf if self._acted is None else self._acted
        is_quiet = max(ticks - acted, 0.0) < self._rule.cool_down
        if not is_quiet:
            self._acted = max(acted, ticks)
        return not is_quiet

    def actions(self, phase: Phase, is_loud: bool) -> tuple[str, ...]:
        """Those of a beginning or an end, or of what is over at once."""
        return self._rule.actions if is_loud and (phase != "end" or "end" in self._rule.also) else ()


def hours(rule: RuleSettings, calendar: Calendar) -> Callable[[float | None], bool | None]:
    """Whether a rule may hold at a time; none: nobody has set the clock."""
    if rule.between is None:
        return lambda at: True
    first, last = (time.rjust(5, "0") for time in rule.between)

    @lru_cache(maxsize=2)
    def within(minute: int) -> bool:
        clock = calendar.clock(minute * 60)
        return first <= clock < last if first < last else clock >= first or clock < last

    return lambda at: None if at is None else within(int(at // 60))


class RuleWatch:
    """A rule that lasts."""

    def __init__(self, name: str, rule: RuleSettings, calendar: Calendar, acted: float | None) -> None:
        """`acted`: as of `Alarm`."""
        self.name = name
        """Of the rule."""
        self._rule = rule
        self._holds = condition_of(rule)
        self._hours = hours(rule, calendar)
        self._alarm = Alarm(rule, acted)
        self._episodes: dict[str, Episode] = {}
        self._known: float | None = None
        """Ticks of the last look by which somebody knew."""
        self.standing = Standing(None, None)
        """How it is now."""

    def wants(self, parts: frozenset[Part]) -> bool:
        """Whether it depends on some of these parts of a scene."""
        return not self._holds.parts.isdisjoint(parts)

    def step(self, scene: Scene, when: When, *, is_look: bool) -> list[Happening]:
        """How the scene is at a time. `is_look`: a look has just shown it."""
        verdict, is_shown = self._verdict(scene, when), is_look or not self._holds.needs_looks
        told: list[Happening] = []
        if verdict.hits or self._episodes:
            waits = self._waits(scene)
            self._open(verdict, when)
            for key, episode in [*self._episodes.items()]:
                value = True if key in verdict.hits else False if verdict.is_complete else None
                told += self._step(key, episode, value, when, waits, is_shown=is_shown)
        if is_shown and verdict.is_complete:
            self._known = when.ticks
        self._stand(scene, verdict, when, told)
        return told

    def close(self, reason: Reason, ticks: float) -> list[Happening]:
        """Whatever goes on ends."""
        self.standing = Standing(None, None)
        episodes, self._episodes = self._episodes, {}
        going_on = ((key, episode) for key, episode in episodes.items() if episode.is_on)
        return [self._ended(key, episode, reason, ticks) for key, episode in going_on]

    def _verdict(self, scene: Scene, when: When) -> Holding:
        is_time = self._hours(when.at)
        if is_time:
            return self._holds(scene, when.ticks)
        return NO if is_time is False else NOBODY_KNOWS

    def _waits(self, scene: Scene) -> Waits:
        gap = self._holds.lasts(scene, GAP_S)
        return Waits(self._rule.wait, gap, max(self._rule.end_after, gap))

    def _open(self, verdict: Holding, when: When) -> None:
        for key, about in verdict.hits.items():
            if key not in self._episodes and len(self._episodes) < MOST_EPISODES:
                began = when.ticks if about.since is None else about.since
                self._episodes[key] = Episode(about, began, when.wall(began), when.ticks, when.ticks)

    def _step(
        self, key: str, episode: Episode, value: bool | None, when: When, waits: Waits, *, is_shown: bool
    ) -> Iterator[Happening]:
        match episode.step(value, when.ticks, waits, is_shown=is_shown):
            case "begin":
                episode.is_loud = self._alarm.rings(when.ticks)
                yield self._happening("begin", key, episode)
            case "gone":
                del self._episodes[key]
            case "over" | "unknown" as reason:
                del self._episodes[key]
                yield self._ended(key, episode, reason, when.ticks)

    def _ended(self, key: str, episode: Episode, reason: Reason, ticks: float) -> Happening:
        return self._happening("end", key, episode, lasted=episode.lasted(ticks), reason=reason)

    def _happening(
        self,
        phase: Phase,
        key: str,
        episode: Episode,
        *,
        lasted: float | None = None,
        reason: Reason | None = None,
    ) -> Happening:
        about = episode.about
        return Happening(
            "rule",
            phase,
            f"rule/{self.name}/{key}" if key else f"rule/{self.name}",
            episode.began_at,
            lasted,
            about.class_name,
            about.track,
            zone=self._rule.when.place,
            rule=self.name,
            text=about.text,
            reason=reason,
            actions=self._alarm.actions(phase, episode.is_loud),
            at_end=self._alarm.actions("end", episode.is_loud) if phase == "begin" else (),
        )

    def _stand(self, scene: Scene, verdict: Holding, when: When, told: list[Happening]) -> None:
        going_on = [episode for episode in self._episodes.values() if episode.is_on]
        active = True if going_on else self._idle(scene, verdict, when)
        if active == self.standing.active:
            return
        since = when.at
        if active:
            since = going_on[0].began_at
        elif active is False and told and told[-1].began_at is not None:
            since = told[-1].began_at + (told[-1].lasted or 0.0)
        self.standing = Standing(active, since)

    def _idle(self, scene: Scene, verdict: Holding, when: When) -> bool | None:
        """Of a rule that is not active."""
        if verdict.is_complete or verdict.hits:
            return False
        is_off = scene.state in ("offline", "stalled")
        is_old = self._known is None or when.ticks - self._known > self._holds.lasts(scene, FRESH_S)
        return None if is_off or is_old else False


class MomentWatch:
    """A rule that is over at once: somebody crosses a line, somebody says something."""

    def __init__(self, name: str, rule: RuleSettings, calendar: Calendar, acted: float | None) -> None:
        """`acted`: as of `Alarm`."""
        self._name, self._rule = name, rule
        self._hours = hours(rule, calendar)
        self._alarm = Alarm(rule, acted)
        self._find = finder(rule.when.said) if rule.when.said is not None else None
        self._number = 0
        self.standing = Standing(False, None)
        """Never active."""

    def crossed(self, crossing: Crossing, when: When) -> Iterator[Happening]:
        """Somebody crosses a line of the stream."""
        of = self._rule.when
        if of.place == crossing.line and of.direction in (None, crossing.direction) and self._hours(when.at):
            about = About(crossing.class_name, crossing.track)
            yield self._happening(
                about, when, partial(Happening, direction=crossing.direction, line=of.place)
            )

    def heard(self, text: str, when: When) -> Iterator[Happening]:
        """Somebody has said something."""
        if self._find is not None and self._find(text) is not None and self._hours(when.at):
            yield self._happening(About(text=text), when, Happening)

    def _happening(self, about: About, when: When, make: Callable[..., Happening]) -> Happening:
        self._number += 1
        self.standing = Standing(False, when.at)
        return make(
            "rule",
            "once",
            f"rule/{self._name}/{self._number}",
            when.at,
            class_name=about.class_name,
            track=about.track,
            rule=self._name,
            text=about.text,
            actions=self._alarm.actions("once", self._alarm.rings(when.ticks)),
        )


class Moments:
    """What is over at once: crossings of lines, and the rules over them and over what is said."""

    def __init__(self, rules: list[MomentWatch]) -> None:
        self._rules = rules
        self._lately: deque[object] = deque(maxlen=_REMEMBERED)
        self._number = 0

    def step(self, look: Look) -> Iterator[Happening]:
        """Each once, however late, and if the look comes twice."""
        match look.what:
            case Moved(movements):
                for one in movements:
                    if isinstance(one, Crossing) and self._is_new(one):
                        yield from self._crossed(one, When(look.ticks, look.at))
            case Said(text) if self._is_new((look.ticks, text)):
                for rule in self._rules:
                    yield from rule.heard(text, When(look.ticks, look.at))

    def _crossed(self, one: Crossing, look: When) -> Iterator[Happening]:
        when = look if look.at is None else When(look.ticks, one.at)
        self._number += 1
        key = f"line/{one.line}/{self._number}"
        named = partial(Happening, line=one.line, direction=one.direction)
        yield named("line", "once", key, when.at, class_name=one.class_name, track=one.track)
        for rule in self._rules:
            yield from rule.crossed(one, when)

    def _is_new(self, moment: object) -> bool:
        if moment in self._lately:
            return False
        self._lately.append(moment)
        return True
