"""Who decodes lets inferences go first: while they have all the cores, no picture is begun."""

import threading
import time

PATIENCE_S = 0.012
"""For what is to be decoded at a time it is waited so long at most: about one inference of a detector."""


class Courtesy:
    """Whether inferences have all the cores. Safe from all threads."""

    def __init__(self) -> None:
        self._room = threading.Event()
        self._room.set()

    def tell(self, full: bool) -> None:
        """They have, or have no more."""
        if full:
            self._room.clear()
        else:
            self._room.set()

    def wait(self, until: float) -> None:
        """Until they leave a core, or until then, by `time.monotonic()`."""
        if not self._room.is_set():
            self._room.wait(max(0.0, until - time.monotonic()))


CORES = Courtesy()
"""Those of this process."""
