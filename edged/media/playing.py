"""A file that plays a camera: its packets come when they would have come."""

import threading
from collections.abc import Callable, Iterator

from edged.media.ring import Packet
from edged.media.source import Pace

Timed = Callable[[Iterator[Packet]], Iterator[Packet]]
"""Lets packets through, each at its time."""
_USUAL_S = 1 / 25
"""From one picture to the next, where a file does not say."""


class Playing:
    """One file, round after round without a hitch."""

    def __init__(self, stop: threading.Event | None) -> None:
        """None: as fast as somebody takes them."""
        self._stop = stop
        self._pace = Pace()
        self._begun = 0.0

    def timed(self, packets: Iterator[Packet]) -> Iterator[Packet]:
        """Another round: its packets, at the times at which they are to be decoded, until the stop is set."""
        first, at, ends = None, -_USUAL_S, 0.0
        for packet in packets:
            if packet.size:
                step = float((packet.duration or 0) * packet.time_base) or _USUAL_S
                if packet.dts is None:
                    at += step
                else:
                    second = float(packet.dts * packet.time_base)
                    first = second if first is None else first
                    at = max(0.0, second - first)
                ends = max(ends, at + step)
                if self._stop is not None and self._stop.wait(self._pace.delay(self._begun + at)):
                    return
            yield packet
        self._begun += ends
