"""From the settings of a stream to its witness, and why streams end."""

from collections.abc import Callable, Collection

from edged.events.happening import Reason


class Endings:
    """Knows, of a stream that ends just now, why it does: what was going on before it ends so."""

    def __init__(self, switched_off: Callable[[], Collection[str]]) -> None:
        """`switched_off` gives the names of streams."""
        self._switched_off = switched_off
        self._streams: Collection[str] = ()
        self._ends = False

    def goes_on(self, streams: Collection[str]) -> None:
        """Units are about to be made what they should be: these streams there are from now on."""
        self._streams = streams

    def end(self) -> None:
        """The daemon ends."""
        self._ends = True

    def why(self, stream: str) -> Reason:
        """Why this stream ends."""
        if self._ends:
            return "stopped"
        if stream not in self._streams:
            return "removed"
        return "disabled" if stream in self._switched_off() else "reload"
