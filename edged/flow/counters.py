"""Numbers that tell what happened: counts by reason, and how long each stage took."""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

WINDOW = 4096
"""So many of the newest durations of a stage are kept."""


class Counters:
    """Counts and durations of the whole daemon. Safe from all threads; one lock, held for an addition."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self._seconds: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=WINDOW))
        self._totals: dict[str, tuple[int, float]] = defaultdict(lambda: (0, 0.0))
        self._lock = threading.Lock()

    def count(self, name: str, reason: str, by: int = 1) -> None:
        """`name` happened because of `reason`: `count("frames_dropped/door", "rate")`."""
        with self._lock:
            self._counts[name][reason] += by

    def observe(self, stage: str, seconds: float) -> None:
        """`stage` took so long once."""
        with self._lock:
            self._seconds[stage].append(seconds)
            times, total = self._totals[stage]
            self._totals[stage] = times + 1, total + seconds

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Observe the duration of a block, also when it raises."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.observe(stage, time.perf_counter() - started)

    def counts(self) -> dict[str, dict[str, int]]:
        """A copy of all counts."""
        with self._lock:
            return {name: dict(reasons) for name, reasons in self._counts.items()}

    def totals(self) -> dict[str, tuple[int, float]]:
        """How often each stage was observed since the start, and for how many seconds in all."""
        with self._lock:
            return dict(self._totals)

    def percentiles(self) -> dict[str, tuple[float, float]]:
        """Median and 99th percentile of each stage's newest durations, seconds."""
        with self._lock:
            kept = {stage: list(values) for stage, values in self._seconds.items()}
        return {s: (float(np.percentile(v, 50)), float(np.percentile(v, 99))) for s, v in kept.items()}
