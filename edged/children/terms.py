"""What a child does, and under which terms."""

from collections.abc import Callable
from dataclasses import dataclass

from edged.children.wire import Tree


def unshared(held: int) -> str | None:
    """Its memory is counted together with nobody's."""
    return None


@dataclass(frozen=True)
class Terms:
    """Under which a child lives."""

    memory_bytes: int = 2_000_000_000
    """That it may hold; who holds more is ended."""
    account: Callable[[int], str | None] = unshared
    """Told now and then what it holds, bytes, and 0 when it is gone; what it returns is why it must end."""
    address_bytes: int | None = None
    """Size of its address space, which the kernel refuses to go over; none: without such a limit."""
    environment: tuple[tuple[str, str], ...] = ()
    """Variables that it gets beside the few that every child has."""
    start_s: float = 300.0
    """It must be ready within so many seconds."""
    silent_s: float = 60.0
    """A call of which nothing is heard for so long is stuck."""
    again: bool = True
    """Whether it is started again when it has died."""
    rests: tuple[float, ...] = (0.1, 1.0, 5.0, 15.0)
    """Seconds before each new start. One death more, and it is set aside."""
    calm_s: float = 600.0
    """Deaths that are so long ago do not count any more."""
    aside_s: float = 600.0
    """So long it is set aside, then it is tried again."""

    def too_much(self, held: int) -> str | None:
        """Why a process that holds so many bytes of memory must end; none when it need not."""
        if held > self.memory_bytes:
            return f"it held {held / 1e6:.0f} MB of memory, over its {self.memory_bytes / 1e6:.0f}"
        return self.account(held)


@dataclass(frozen=True)
class Work:
    """What a child does."""

    target: str
    """`module:attribute` of a `children.inside.Maker`."""
    given: Tree
    """Handed to it."""
