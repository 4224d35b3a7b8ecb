"""So many within such a time: a limit that forgets what is older."""

import re
from collections import deque
from dataclasses import dataclass

from edged.contracts.settings import seconds

_WRITTEN = re.compile(r"(\d{1,6})\s*/\s*(.+)")


@dataclass(frozen=True, slots=True)
class Rate:
    """As the configuration writes it: `10/1m`."""

    most: int
    per_s: float
    written: str

    def __str__(self) -> str:
        return self.written


def rate(value: object) -> Rate:
    """The rate that is written so. Raises `ValueError`."""
    if isinstance(value, Rate):
        return value
    found = _WRITTEN.fullmatch(value.strip()) if isinstance(value, str) else None
    per_s = seconds(found[2]) if found else None
    if found is None or not isinstance(per_s, float) or per_s <= 0 or int(found[1]) < 1:
        raise ValueError("write it as 10/1m: at most ten within a minute")
    return Rate(int(found[1]), per_s, found[0])


class Window:
    """Of one rate. Any clock will do; one that is set back begins anew."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._times: deque[float] = deque()

    def wait(self, at: float) -> float:
        """Seconds until there is room for one more."""
        if self._times and at < self._times[-1]:
            self._times.clear()
        while self._times and at - self._times[0] >= self._rate.per_s:
            self._times.popleft()
        full = len(self._times) >= self._rate.most
        return self._times[0] + self._rate.per_s - at if full else 0.0

    def take(self, at: float) -> None:
        """One more, at this time."""
        self._times.append(at)
