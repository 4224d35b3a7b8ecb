"""Which item takes its whole machine along: the worker, and with it the attendant that would know.

Of one run on a cluster, kept where the run is, in no file: who ends the run blames no item.
"""

from collections import Counter, defaultdict

MACHINES = 3
"""An item is asked no more when so many were lost while its batch, and at last itself, was in work."""
_UNWATCHED = 2
"""So many are lost with a batch before its items are asked one by one."""


class Losses:
    """Of machines, or of attendants for whatever reason. One caller at a time."""

    def __init__(self) -> None:
        self._in_work: dict[str, int | None] = {}
        self._lost: defaultdict[str, Counter[int | None]] = defaultdict(Counter)
        """How often, by batch and by item; none: nobody knows which."""

    def begins(self, batch: str) -> bool:
        """Whether each item of the batch wants to be told of by `may`, since it was lost before."""
        lost = self._lost[batch]
        if batch in self._in_work:
            lost[self._in_work[batch]] += 1
        self._in_work[batch] = None
        return lost.total() >= _UNWATCHED

    def may(self, batch: str, number: int) -> bool:
        """Whether that item, counted from 0, may be asked; it is in work then until the next one is."""
        lost = self._lost[batch]
        if lost[number] and lost[number] + lost[None] >= MACHINES:
            lost[number] += lost.pop(None, 0)  # which explains them: no other item is blamed for these
            self._in_work[batch] = None
            return False
        self._in_work[batch] = number
        return True

    def ends(self, batch: str) -> None:
        """Its file is there."""
        del self._in_work[batch]
