"""Finds the largest count that a box bears, in few tries."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TriedCount:
    """A count that was tried."""

    count: int
    fine: bool
    load: float
    """Share of the box that was in use; a hint where to look next, which is not believed."""


def next_count(trials: Sequence[TriedCount], most: int) -> int | None:
    """What to try next, from 1 to `most`; none: the answer stands, see `borne`.

    Twice as many until it is too much, or fewer where the load tells that so many cannot be; then the middle
    between what was fine and what was not. Of a count that was tried twice the last trial counts, and one
    that failed below another that was fine is noise.
    """
    fine, failed = borne(trials), _failed(trials)
    if failed is None:
        return min(_more(trials, fine), most) if fine < most else None
    return (fine + failed) // 2 if failed - fine > 1 else None


def borne(trials: Sequence[TriedCount]) -> int:
    """The largest count that was fine; 0 where none was."""
    return max((trial.count for trial in _last(trials) if trial.fine), default=0)


def _failed(trials: Sequence[TriedCount]) -> int | None:
    fine = borne(trials)
    counts = (trial.count for trial in _last(trials) if not trial.fine)
    return min((count for count in counts if count > fine), default=None)


def _more(trials: Sequence[TriedCount], fine: int) -> int:
    if fine == 0:
        return 1
    load = next(trial.load for trial in reversed(trials) if trial.count == fine)
    return max(fine + 1, int(fine / max(load, 0.5)))


def _last(trials: Sequence[TriedCount]) -> list[TriedCount]:
    return list({trial.count: trial for trial in trials}.values())
