"""The witness of one stream: all that is seen and heard of it goes through the rules, in one order, and what
comes of it into the book.

Looks come from several threads. They are judged and put down one after another under one lock, which nobody
holds while a model works.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

from edged.counts.book import Passage
from edged.counts.said import trusted
from edged.events.happening import Happening, Standing, Why
from edged.events.look import Look, Moved, Reached, Read, Said, Shown, Still
from edged.flow import clock
from edged.ops.movements import Crossing
from edged.streams.message import Outcome, taken_at
from edged.streams.noticing import Interest, noticed

LONGEST_AGE_S = 60.0
"""Nothing is looked at so much later than it was captured: the clock was set meanwhile."""
STILL_S = 0.25
"""So often it is told that nothing moves, however many pictures there are in which nothing does."""


class Judge(Protocol):
    """Says what happens, by the rules of one stream. It knows no clock: time comes in."""

    def step(self, look: Look) -> Sequence[Happening]:
        """What happens by what became known."""

    def tick(self, ticks: float, at: float | None) -> Sequence[Happening]:
        """What happens because time passes."""

    def close(self, why: Why, ticks: float) -> Sequence[Happening]:
        """The ends of all that goes on; nobody knows any more how the rules are that last."""

    def standings(self) -> Mapping[str, Standing]:
        """How each rule is."""


class Scribe(Protocol):
    """Puts down what happens before one stream. It never blocks for long, and never raises."""

    def put(self, passages: Sequence[Passage], happenings: Sequence[Happening]) -> None:
        """What came of one look, all of it or nothing."""

    def standings(self, rules: Mapping[str, Standing]) -> None:
        """How the rules are from now on."""

    def close(self) -> None:
        """Nothing more happens."""


State = Literal["online", "stalled", "offline"]
"""Of a source."""
Timing = Callable[[float], tuple[float, float | None]]
"""From the `captured_at` of something to the two clocks of its look."""


def as_captured(captured_at: float) -> tuple[float, float | None]:
    """Of what was captured just now: by the kernel's clock, so much ago as it is old."""
    age = time.time() - captured_at
    ticks = clock.ticks() - (age if 0 <= age <= LONGEST_AGE_S else 0.0)
    return ticks, captured_at if trusted() else None


class Witness:
    """Of one stream. Safe from all threads."""

    def __init__(self, judge: Judge, scribe: Scribe, wanted: Interest, timing: Timing = as_captured) -> None:
        self.wanted = wanted
        """Of services that follow no objects."""
        self._judge = judge
        self._scribe = scribe
        self._timing = timing
        self._lock = threading.Lock()
        self._told: Mapping[str, Standing] = {}
        self._state: str | None = None
        self._still_at = float("-inf")
        self._leaves = False
        self._is_closed = False

    def moved(self, captured_at: float, moved: Moved) -> None:
        """A look at objects that are followed."""
        self._see(captured_at, moved)

    def notice(self, outcome: Outcome) -> None:
        """What came of an item, of whichever service."""
        if (what := noticed(outcome, self.wanted)) is not None:
            self._see(taken_at(outcome.item), what)

    def still(self, captured_at: float) -> None:
        """Nothing moves. Told now and then: cameras at rest send as many pictures as others."""
        if not 0 <= captured_at - self._still_at < STILL_S:
            self._still_at = captured_at
            self._see(captured_at, Still())

    def reached(self, state: State, now: float | None = None) -> None:
        """How the source is; that it ends because the stream does is no news of it. `now`: seconds since the
        epoch, where it is not this moment."""
        if state != self._state and not self._leaves:
            self._state = state
            self._see(time.time() if now is None else now, Reached(state))

    def tick(self, now: float | None = None) -> None:
        """Time passes: called every second."""
        with self._lock:
            if self._is_closed:  # the desk was about to call
                return
            ticks, at = self._timing(time.time() if now is None else now)
            self._put((), self._judge.tick(ticks, at))
            self._tell()

    def leave(self) -> None:
        """The stream is about to end."""
        self._leaves = True

    def close(self, why: Why, now: float | None = None) -> None:
        """The stream has ended, and so has all that goes on."""
        with self._lock:
            self._is_closed = True
            ticks, _ = self._timing(time.time() if now is None else now)
            self._put((), self._judge.close(why, ticks))
            self._scribe.standings(self._judge.standings())
            self._scribe.close()

    def _see(self, captured_at: float, what: Moved | Shown | Read | Said | Still | Reached) -> None:
        with self._lock:
            if self._is_closed:
                return
            ticks, at = self._timing(captured_at)
            happenings = self._judge.step(Look(ticks, at, what))
            crossings = what.movements if isinstance(what, Moved) else ()
            passages = [Passage.of(one, at is not None) for one in crossings if isinstance(one, Crossing)]
            self._put(passages, happenings)
            if happenings or isinstance(what, Reached):
                self._tell()

    def _put(self, passages: Sequence[Passage], happenings: Sequence[Happening]) -> None:
        if passages or happenings:
            self._scribe.put(passages, happenings)

    def _tell(self) -> None:
        """How the rules are, where that has changed; what time alone changes is told by the next tick."""
        if (standings := dict(self._judge.standings())) != self._told:
            self._told = standings
            self._scribe.standings(standings)
