"""The right to run on a device, and how long work tells how far it is."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from enum import IntEnum
from typing import Protocol


class Priority(IntEnum):
    """Who goes first when a device is busy; lower goes first."""

    REQUEST = 0
    FRAME = 1
    JOB = 2


class Slot(Protocol):
    """A device's right to run, taken for each `Session.run` and never longer."""

    def hold(self, priority: Priority) -> AbstractContextManager[None]:
        """Wait for the turn; the right is given back at the end of the block."""


Report = Callable[[str, int, int], None]
"""Called with a task's name, what is done and the total, both in the same unit; for progress bars."""
