"""What nobody waits for lets inferences go first: while they have all the cores, it is not begun.

Of cameras these are the pictures that nobody looks at and later ones build on. 99th percentile from capture
to result with eight cameras, two cores, alone, four runs of 9 s each in turns: *measured* 26.5 to 27.2 ms
with it, 25.0 to 28.8 without; *simulated* 18.1 and 20.3 (`tests/bench/courtesy.py`).
"""

import threading
import time

PATIENCE_S = 0.012
"""What is to be decoded at a time waits so long at most: about one inference of a detector."""


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
