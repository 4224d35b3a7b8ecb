"""Whose turn it is: so many items a second of each stream, evenly, and not those of all streams at once."""

EARLY = 0.25
"""Share of a period by which an item may come too early and still pass: cameras jitter."""
EARLY_S = 0.1
"""And at most so long."""
SPREAD_S = 1.0
"""Streams are set apart within so long, or within a period that is shorter."""
CLOSE_S = 0.1
"""Where items are closer to each other nothing is to be gained by setting streams apart."""


class Turns:
    """Lets one item in `every` seconds pass, by the times at which they were captured. Used by one thread.

    It follows a grid of due times. Counting from the last item that passed would lose the rest of each
    division: 30 frames a second, one in .2 s wanted, give 4.3 and not 5 a second, for every other sixth frame
    comes a moment too early. `phase`, a share of a period, is where on the clock the grid should lie: cameras
    that begin together would otherwise ask for their inferences together, and all but one of them would wait.
    """

    def __init__(self, every: float | None, phase: float | None = None) -> None:
        """None: every item passes; the grid begins with the first item."""
        self._every = every or 0.0
        self._early = min(EARLY * self._every, EARLY_S)
        self._phase = phase if self._every >= CLOSE_S else None
        self._due: float | None = None
        self._settled = True
        """The grid lies where items come."""

    def would(self, captured_at: float) -> bool:
        """Whether an item of that time would pass. After a gap, or when the clock was set, any does."""
        if not self._every or self._due is None:
            return True
        return not -2 * self._every <= captured_at - self._due < -self._early

    def at(self, captured_at: float) -> bool:
        """Whether this item passes; asked once an item."""
        if not self._every:
            return True
        if not self.would(captured_at):
            return False
        if self._due is None or abs(captured_at - self._due) > 2 * self._every:
            self._due = captured_at + self._every + self._shift(captured_at + self._every)
        else:
            self._due = (self._due if self._settled else captured_at) + self._every
            self._settled = True
        return True

    def _shift(self, due: float) -> float:
        """Seconds from there to its place on the clock."""
        if self._phase is None:
            return 0.0
        self._settled = False
        period = min(self._every, SPREAD_S)
        return (self._phase * period - due) % period
