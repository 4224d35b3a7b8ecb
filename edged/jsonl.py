"""JSON lines on a binary stream: one stream message a line, for people and pipes."""

import sys
import threading
import time
from collections import deque
from typing import BinaryIO

from edged.flow.counters import Counters

WAITING = 1000
"""Lines that may wait for a slow reader; then the oldest are dropped and counted."""


class JsonLines:
    """A sink and a unit: its own thread writes, so that a reader who pauses never holds up a frame."""

    def __init__(self, counters: Counters, out: BinaryIO | None = None) -> None:
        self._out = out or sys.stdout.buffer
        self._counters = counters
        self._lines: deque[bytes] = deque(maxlen=WAITING)
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._write_all, name="jsonl", daemon=True)

    def __call__(self, stream: str, service: str, body: bytes) -> None:
        """Leave one line to be written."""
        with self._changed:
            if len(self._lines) == WAITING:
                self._counters.count("jsonl_dropped", "the reader is too slow")
            self._lines.append(body)
            self._changed.notify()

    def start(self) -> None:
        """Start the writer."""
        self._thread.start()

    def stop(self) -> None:
        """Write what is waiting, if the reader takes it within a second."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout=1)

    def state(self) -> str:
        """`running`, or that the reader went away."""
        return "running" if self._thread.is_alive() else "nobody reads stdout any more"

    def beat(self) -> float:
        """A reader that pauses is no fault of the daemon's: always alive."""
        return time.monotonic()

    def _write_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines or self._stopping)
                if not self._lines:
                    return
                lines = list(self._lines)
                self._lines.clear()
            try:
                self._out.write(b"".join(line + b"\n" for line in lines))
                self._out.flush()
            except (BrokenPipeError, ValueError):  # `edged run | head`
                return
