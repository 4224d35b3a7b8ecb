"""Who is told: one webhook, or one address of apprise."""

from typing import Protocol

from edged.actions.parcel import Parcel


class Undelivered(Exception):
    """A message has not arrived, or nobody can say whether it has. The text names no secret."""

    def __init__(self, why: str, *, again: bool = True, after_s: float = 0.0) -> None:
        """`again`: whether another try may help; `after_s`: but not before so many seconds."""
        super().__init__(why)
        self.again = again
        self.after_s = after_s


class Receiver(Protocol):
    """Used by one thread, but for `stop`."""

    def deliver(self, parcel: Parcel) -> None:
        """Returns once it has arrived; takes no longer than its action's `timeout`. Raises `Undelivered`."""

    def rest(self) -> None:
        """There has been nothing to deliver for a while."""

    def stop(self) -> None:
        """Break off what goes on, from any thread; nothing is delivered any more."""
