"""What connections die on, by topic: it is not tried for ever, and QoS 0 is watched."""

from collections.abc import Iterable

from edged.mqtt.carrier import LARGEST
from edged.mqtt.outbox import SUSPECT

SOON_S = 2.0
"""So soon after a packet that it does not take a broker has hung up."""
REST_S = 3600.0
"""What was set aside is tried again after so long: somebody may have raised the broker's limit."""
MOST = 1000
"""Topics that are remembered: clients choose those of their answers."""


class Deadly:
    """For the sender's thread alone. Times are those of `time.monotonic()`."""

    def __init__(self) -> None:
        self._sizes: dict[str, tuple[int, float]] = {}
        """The shortest packet that was set aside, and until when that holds."""
        self._sent: dict[str, float] = {}
        """When this connection got the last message of QoS 0, by topic."""
        self._cuts: dict[str, int] = {}
        """Connections that ended right after one, and none of the topic outlived since."""

    def limit(self, topic: str, now: float) -> int:
        """Bytes of a packet that may be tried on this topic."""
        size, until = self._sizes.get(topic, (LARGEST + 1, now))
        if now > until:
            del self._sizes[topic]
            return LARGEST
        return size - 1

    def condemn(self, topic: str, size: int, now: float) -> None:
        """A message that is a packet of `size` bytes was set aside."""
        self._cuts.pop(topic, None)
        self._sizes.pop(topic, None)
        self._sizes[topic] = (size, now + REST_S)
        if len(self._sizes) > MOST:
            del self._sizes[next(iter(self._sizes))]

    def sent(self, topic: str, now: float) -> None:
        """A message of QoS 0 is out."""
        if now - self._sent.get(topic, now) > SOON_S:
            self.outlived(topic)
        self._sent[topic] = now

    def cut(self, unsent: Iterable[str], now: float) -> None:
        """The broker hung up; `unsent`: topics of QoS 0 of which a message was on its way."""
        last = self._sent | dict.fromkeys(unsent, now)
        for topic, at in last.items():
            if now - at <= SOON_S:
                self._cuts[topic] = self._cuts.get(topic, 0) + 1
            else:
                self.outlived(topic)
        self._sent.clear()

    def outlived(self, topic: str) -> None:
        """The broker took what was sent on it."""
        self._cuts.pop(topic, None)

    def suspects(self, topic: str) -> bool:
        """The next message of QoS 0 on this topic shall be acknowledged, and sent alone."""
        return self._cuts.get(topic, 0) >= SUSPECT
