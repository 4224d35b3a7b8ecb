"""Requests that the last run did not answer: handed to the queue again, in order, as it has room for them."""

import logging
import threading
from collections import deque

from edged.mqtt.request_desk import RequestDesk
from edged.requests.journal import Request

log = logging.getLogger(__name__)

RETRY_S = 0.05
"""So long the queue is left alone when it was full."""


class Leftovers:
    """Has a thread of its own, which ends with the last of them."""

    def __init__(self, desk: RequestDesk) -> None:
        self._desk = desk
        self._left: deque[tuple[int, Request]] = deque()
        self._stopping = threading.Event()

    def start(self) -> None:
        """Begin with what the journal holds; again when it could not be read before."""
        self._left.extend(self._desk.load())
        if self._left:
            log.info("%d requests of the last run are worked off", len(self._left))
        threading.Thread(target=self._run, name="mqtt-leftovers", daemon=True).start()

    def stop(self) -> None:
        """The rest stays in the journal."""
        self._stopping.set()

    def __len__(self) -> int:
        """Requests that still wait."""
        return len(self._left)

    def _run(self) -> None:
        while self._left and not self._stopping.is_set():
            if self._desk.resume(*self._left[0]):
                self._left.popleft()
            else:
                self._stopping.wait(RETRY_S)
