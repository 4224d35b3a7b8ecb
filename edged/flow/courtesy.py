"""What nobody waits for lets inferences go first: while they have all the cores, it is not begun.

Of cameras these are the pictures that nobody looks at and later ones build on. *Simulated*, not measured, for
two cores, 11.5 ms an inference, 1.75 a picture, five inferences a second: the 99th percentile from capture to
result falls from 20.3 to 18.1 ms with eight cameras, from 68 to 59 with sixteen (`tests/bench/courtesy.py`).
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
