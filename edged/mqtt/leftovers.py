"""Requests that the last run did not answer: worked off, in order, as soon as their models are there."""

import logging
import threading
import time
from collections.abc import Callable

from edged.mqtt.request_desk import RequestDesk
from edged.requests.journal import Request

log = logging.getLogger(__name__)

PATIENCE_S = 30.0
"""So long a request from the journal waits for the model of its service to be loaded."""


class Leftovers:
    """Has a thread of its own, which ends with the last of them."""

    def __init__(self, desk: RequestDesk, ready: Callable[[], set[str]]) -> None:
        """`ready`: names of the services whose model is loaded."""
        self._desk = desk
        self._ready = ready
        self._left: list[tuple[int, Request]] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mqtt-leftovers", daemon=True)

    def start(self) -> None:
        """Begin with what the journal holds."""
        self._left = self._desk.load()
        if self._left:
            log.info("%d requests of the last run are worked off", len(self._left))
        self._thread.start()

    def stop(self) -> None:
        """The rest stays in the journal."""
        self._stopping.set()

    def __len__(self) -> int:
        """Requests that still wait."""
        return len(self._left)

    def _run(self) -> None:
        patient_until = time.monotonic() + PATIENCE_S
        while self._left and not self._stopping.wait(0.05):
            ready = self._ready()
            late = time.monotonic() > patient_until
            for entry in self._left.copy():
                if not late and entry[1].service not in ready:
                    continue
                if self._stopping.is_set() or not self._desk.resume(*entry):
                    break
                self._left.remove(entry)
