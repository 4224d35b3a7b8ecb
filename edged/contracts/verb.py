"""What people tell a running daemon to do, as the outside worlds hand it on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Done:
    """What was done of an order; or why nothing was."""

    message: str
    """One sentence."""
    recording: str | None = None
    """The address of the recording that was asked for."""


Verb = Callable[[dict[str, Any]], str | Done]
"""Gets the fields of the message, says what was done. Raises `EdgedError` to say why not."""
