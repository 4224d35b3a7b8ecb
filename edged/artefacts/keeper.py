"""Looks after the store as long as it is configured: what is too old goes, also when nothing new comes."""

import contextlib
import threading
import time

from edged.artefacts.store import ArtefactStore
from edged.contracts.errors import StoreFailed

EVERY_S = 600.0
"""Seconds between two looks at most; an artefact is overdue by no more than that, or a tenth of its time."""


class ArtefactKeeper:
    """A unit."""

    def __init__(self, store: ArtefactStore, name: str = "artefacts") -> None:
        self._store = store
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Raises `EdgedError` where nothing can be kept."""
        self._store.check()
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=5)

    def state(self) -> str:
        return self._store.why or "running"

    def beat(self) -> float:
        return time.monotonic()

    def _run(self) -> None:
        wait = 0.0
        while not self._ended.wait(wait):
            with contextlib.suppress(StoreFailed):  # it has counted and said that
                self._store.tidy()
            wait = min(EVERY_S, max(0.1, self._store.max_age / 10))
