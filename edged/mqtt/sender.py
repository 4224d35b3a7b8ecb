"""The thread that sends what the outbox holds, so many messages on their way at most."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace

from edged.flow.counters import Counters
from edged.mqtt.address import WORLD, Address
from edged.mqtt.aside import DEADLY, TOO_LARGE, Aside
from edged.mqtt.carrier import Carrier
from edged.mqtt.deadly import Deadly
from edged.mqtt.fitting import fitted, packet_bytes
from edged.mqtt.outbox import SUSPECT, Outbox
from edged.mqtt.outgoing import Outgoing
from edged.requests.journal import Journal

log = logging.getLogger(__name__)

_TEND_EVERY_S = 10.0
CONDEMNED = 3
"""A message is set aside when so many connections died while it alone was on its way."""


class _Flight:
    """What one connection was given, and the broker has not acknowledged."""

    def __init__(self, carrier: Carrier, window: int) -> None:
        self.carrier = carrier
        self._window = min(window, carrier.window)
        self._messages: dict[int, Outgoing] = {}

    def __len__(self) -> int:
        return len(self._messages)

    def has_room(self) -> bool:
        return len(self._messages) < (1 if self.carrier.suspect else self._window)

    def begin(self, message: Outgoing, whole: Outgoing) -> bool:
        """Hand over the `whole` of a message, and remember it as it waited. False: it is lost."""
        properties = whole.properties() if self.carrier.speaks_5 else None
        self.carrier.suspect = whole.named() if message.deaths >= SUSPECT else ""
        number = self.carrier.publish(whole.topic, whole.body or b"", whole.qos, whole.retain, properties)
        if number is None:
            return False
        self._messages[number] = message
        return True

    def end(self, number: int) -> Outgoing | None:
        """The message has arrived, or was refused."""
        self.carrier.suspect = ""
        return self._messages.pop(number, None)

    def crash(self) -> list[Outgoing]:
        """All that was on its way, in order, with one death more if it was one; nothing is any more."""
        left = list(self._messages.values())
        self._messages.clear()
        if not self.carrier.was_cut:
            return left
        alone = 1 if len(left) == 1 else 0
        return [
            replace(message, deaths=message.deaths + 1, deaths_alone=message.deaths_alone + alone)
            for message in left
        ]


class _Rows:
    """Answers that are in the journal."""

    def __init__(self, journal: Journal, counters: Counters) -> None:
        self._journal = journal
        self._counters = counters
        self._done: list[int] = []
        self._over: list[int] = []
        self._tended_at = time.monotonic()

    def waiting(self) -> list[Outgoing]:
        """Those of the last run, oldest first."""
        return [Outgoing("", None, "answer", 1, row=row) for row in self._journal.left_answered(WORLD)]

    def whole(self, message: Outgoing) -> Outgoing | None:
        """The message with its body; none: the journal cannot be read."""
        if message.body is not None:
            return message
        out = self._journal.answer_of(message.row) if message.row is not None else None
        if out is None:
            self._counters.count("mqtt_dropped", "the journal cannot be read")
            return None
        to = Address.read(out.reply)
        return replace(
            message,
            topic=to.topic,
            body=out.answer.body,
            correlation=to.correlation,
            answer=out.answer,
            service=out.service,
        )

    def done(self, message: Outgoing, *, over: bool = False) -> None:
        """It has arrived, or never will; `over`: nor does what it answers come again."""
        if message.settled is not None:
            message.settled()
        if message.row is not None:
            (self._over if over else self._done).append(message.row)

    def hand_in(self, now: float) -> None:
        """The journal learns in one transaction what was done since it last could be written."""
        if (self._done or self._over) and self._journal.done(self._done, self._over):
            self._done.clear()
            self._over.clear()
        if now - self._tended_at > _TEND_EVERY_S:
            self._tended_at = now
            self._journal.tend()


class _Judge:
    """Who knows what connections die on, and keeps it from them."""

    def __init__(self, outbox: Outbox, rows: _Rows, aside: Aside) -> None:
        self._outbox = outbox
        self._rows = rows
        self._aside = aside
        self._deadly = Deadly()

    def fitted(self, message: Outgoing, whole: Outgoing, carrier: Carrier) -> Outgoing | None:
        """What may be sent of the `whole` of a message now; none: nothing, and that is told."""
        now = time.monotonic()
        limit = self._deadly.limit(whole.topic, now)
        fitting = fitted(whole, min(carrier.largest, limit), carrier.speaks_5)
        if fitting is None:
            self._aside.drop(whole, TOO_LARGE if carrier.largest <= limit else DEADLY)
            self._rows.done(whole)
        elif message.qos == 0 and self._deadly.suspects(whole.topic):
            self._outbox.try_alone(message)
            return None
        return fitting

    def arrived(self, message: Outgoing) -> None:
        """The broker has it (QoS 1), or the socket (QoS 0)."""
        if message.qos == 0:
            self._deadly.sent(message.topic, time.monotonic())
        elif message.deaths:
            self._deadly.outlived(message.topic)
            self._outbox.survived(message)

    def cut(self, left: Iterable[Outgoing], carrier: Carrier) -> list[Outgoing]:
        """What was on its way when the connection ended: itself, or what is sent instead, if anything."""
        left = list(left)
        if carrier.was_cut:
            self._deadly.cut((message.topic for message in left if message.qos == 0), time.monotonic())
        return [kept for message in left if (kept := self._judged(message, carrier)) is not None]

    def _judged(self, message: Outgoing, carrier: Carrier) -> Outgoing | None:
        if message.deaths_alone < CONDEMNED:
            return message
        instead = None
        if (whole := self._rows.whole(message)) is not None:
            self._deadly.condemn(whole.topic, packet_bytes(whole, carrier.speaks_5), time.monotonic())
            instead = self._aside.condemn(whole)
        if instead is None:
            self._rows.done(message)
        return instead


class Sender:
    """No method but `stop` and `drained` blocks.

    Only the thread touches what is on its way; the connection's threads leave events, which it works off in
    order.
    """

    def __init__(
        self, outbox: Outbox, journal: Journal, aside: Aside, counters: Counters, window: int
    ) -> None:
        """`window`: messages on their way at most; fewer where the broker takes fewer."""
        self._outbox = outbox
        self._counters = counters
        self._window = window
        self._events: deque[Callable[[], None]] = deque()
        self._flight: _Flight | None = None
        """Of the connection that is up."""
        self._rows = _Rows(journal, counters)
        self._judge = _Judge(outbox, self._rows, aside)
        self._stopping = False
        self._idle = True
        """Nothing is in the thread's hands."""
        self._beat = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="mqtt-sender", daemon=True)

    def start(self) -> None:
        """Start the thread; answers that the journal holds from before go first."""
        self.load()
        self._thread.start()

    def load(self) -> None:
        """Send the answers that the journal holds from before."""
        for message in self._rows.waiting():
            self._outbox.answer(message, on_disk=True)

    def stop(self) -> None:
        """End the thread; what is not sent stays in the journal or is lost."""
        with self._outbox.changed:
            self._stopping = True
            self._outbox.changed.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout=5)

    def drained(self, timeout: float) -> bool:
        """Wait until everything has arrived at the broker, or for so many seconds."""
        deadline = time.monotonic() + timeout
        while not self._settled():
            if not self._thread.is_alive() or time.monotonic() >= deadline:
                return False
            time.sleep(0.01)
        return True

    def beat(self) -> float:
        """Last sign of life of the thread."""
        return self._beat

    def unacknowledged(self) -> int:
        """Messages on their way."""
        flight = self._flight
        return 0 if flight is None else len(flight)

    def connected(self, carrier: Carrier) -> None:
        """The connection is up: send, the states first."""
        self._event(lambda: self._on_connected(carrier))

    def lost(self, carrier: Carrier) -> None:
        """The connection is gone; what was on its way with QoS 1 will be sent again."""
        self._event(lambda: self._on_lost(carrier))

    def published(self, carrier: Carrier, number: int, refused: str = "") -> None:
        """The broker has the message (QoS 1), or the socket (QoS 0); or why the broker refused it."""
        self._event(lambda: self._on_published(carrier, number, refused))

    def _event(self, event: Callable[[], None]) -> None:
        with self._outbox.changed:
            self._events.append(event)
            self._outbox.changed.notify()

    def _settled(self) -> bool:
        with self._outbox.changed:
            return self._idle and self._outbox.empty() and not (self.unacknowledged() or self._events)

    def _ready(self) -> bool:
        due = bool(self._events) or self._stopping
        return due or (self._may_send() and self._outbox.has_any(not self.unacknowledged()))

    def _may_send(self) -> bool:
        return self._flight is not None and self._flight.has_room()

    def _run(self) -> None:
        stopping = False
        while not stopping:
            with self._outbox.changed:
                self._idle = True
                self._outbox.changed.wait_for(self._ready, timeout=1.0)
                self._idle = False
                stopping = self._stopping
            self._turn(sends=not stopping)

    def _turn(self, *, sends: bool) -> None:
        """Work off the events, tell the journal, send as much as may be on its way."""
        self._beat = time.monotonic()
        while self._events:
            self._events.popleft()()
        self._rows.hand_in(self._beat)
        while sends and not self._events and self._may_send():
            if not (batch := self._outbox.take(not self.unacknowledged())):
                return
            for message in batch:
                self._send(message)

    def _send(self, message: Outgoing) -> None:
        whole = self._rows.whole(message)
        if (flight := self._flight) is None or whole is None:
            return
        if (fitting := self._judge.fitted(message, whole, flight.carrier)) is None:
            return
        if not flight.begin(message, fitting):
            self._counters.count("mqtt_dropped", "the connection broke")
        elif fitting is not whole:
            self._counters.count("mqtt_published", "413 instead of an answer")

    def _on_connected(self, carrier: Carrier) -> None:
        self._flight = _Flight(carrier, self._window)
        self._outbox.again()

    def _on_lost(self, carrier: Carrier) -> None:
        flight = self._flight
        if flight is None or carrier is not flight.carrier:
            return
        self._flight = None
        self._outbox.put_back(self._judge.cut(flight.crash(), carrier))

    def _on_published(self, carrier: Carrier, number: int, refused: str) -> None:
        flight = self._flight
        message = flight.end(number) if flight is not None and carrier is flight.carrier else None
        if message is None:
            return
        if refused:
            log.warning("the broker refuses a message on %s: %s", message.topic, refused)
            self._counters.count("mqtt_dropped", f"refused by the broker: {refused}")
        else:
            self._counters.count("mqtt_published", message.policy)
        self._judge.arrived(message)
        over = message.arrived is not None and message.arrived(carrier)
        self._rows.done(message, over=over)
