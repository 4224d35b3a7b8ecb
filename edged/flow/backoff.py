"""How long to wait before the next try: quick at first, then patient, never giving up."""

from collections.abc import Iterator
from itertools import chain, repeat


def delays() -> Iterator[float]:
    """Seconds: 1 five times, 5 five times, 10 ten times, then 60 for ever (the steps of go2rtc)."""
    return chain(repeat(1.0, 5), repeat(5.0, 5), repeat(10.0, 10), repeat(60.0))
