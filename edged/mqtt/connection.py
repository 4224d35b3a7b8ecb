"""A connection to a broker, kept up for ever: MQTT 5 where it is spoken, else 3.1.1."""

import logging
import threading
import time

from edged.flow.backoff import delays
from edged.mqtt import faults
from edged.mqtt.attempt import Attempt
from edged.mqtt.carrier import Events
from edged.mqtt.membership import Membership
from edged.mqtt.settings import BrokerAddress, MqttSettings, Version

log = logging.getLogger(__name__)

HANDSHAKE_S = 10.0
"""Seconds for a broker to accept us and to grant the subscriptions."""
STABLE_S = 10.0
"""A connection that lived so long was a good one: the next tries are quick again."""
SHORT_S = 60.0
"""One that lived shorter than this may have been ended by a rival."""


class Connection:
    """Owns one thread that connects, watches, and connects again."""

    def __init__(self, settings: MqttSettings, member: Membership, events: Events) -> None:
        self._settings = settings
        self._address: BrokerAddress = settings.address
        self._member = member
        self._events = events
        self._topics = member.topics
        self._attempt: Attempt | None = None
        self._state = f"connecting to {self._address}"
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._beat = time.monotonic()
        self._short_lives = 0
        self._thread = threading.Thread(target=self._run, name=member.client_id, daemon=True)

    def start(self) -> None:
        """Begin; the broker need not be there."""
        self._thread.start()

    def stop(self) -> None:
        """Disconnect in good order, so that no last will is sent."""
        self._stopping.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=10)

    def follow(self, topics: tuple[str, ...]) -> None:
        """From now on subscribe to these filters, and to no others."""
        self._topics = topics
        if (attempt := self._attempt) is not None:
            attempt.follow()

    def state(self) -> str:
        """`running` while messages flow, else why not."""
        return self._state

    def beat(self) -> float:
        """Last sign of life; waiting to connect again is life."""
        return self._beat

    def _run(self) -> None:
        waits = delays()
        while not self._stopping.is_set():
            found = self._try_versions()
            lived = time.monotonic() - found.began if found.carrier is not None else 0.0
            self._short_lives = self._short_lives + 1 if 0 < lived < SHORT_S else 0
            if lived > STABLE_S:
                waits = delays()
            self._pause(next(waits))

    def _try_versions(self) -> Attempt:
        """The first version that the broker answers to; given up after two closed handshakes.

        One may come from a broker that just went down. A broker that says nothing at all is not asked twice.
        """
        tries = 2 if len(self._member.versions) > 1 else 1
        for version in self._member.versions:
            for _ in range(tries):
                found, silent = self._connect_once(version)
                if found.answered or self._stopping.is_set():
                    return found
                if silent:
                    break
        return found

    def _connect_once(self, version: Version) -> tuple[Attempt, bool]:
        """One connection from its first to its last moment; and whether the broker said nothing at all."""
        attempt = Attempt(
            self._settings,
            self._member,
            version,
            events=self._events,
            granted=self._granted,
            changed=self._wake.set,
            topics=lambda: self._topics,
            short_lives=self._short_lives,
        )
        self._attempt = attempt
        silent = False
        if attempt.open():
            silent = self._watch(attempt)
            attempt.close()
        if attempt.carrier is not None:
            self._events.lost(attempt.carrier)
        if not self._stopping.is_set():
            self._say(attempt.fault or faults.hung_up(self._address))
        return attempt, silent

    def _watch(self, attempt: Attempt) -> bool:
        """Until the connection ends. True: it is given up, for the broker says nothing."""
        deadline = time.monotonic() + HANDSHAKE_S
        while not attempt.ended.is_set() and not self._stopping.is_set():
            self._wake.wait(0.5)
            self._wake.clear()
            self._beat = time.monotonic()
            if not attempt.granted.is_set() and self._beat > deadline:
                attempt.fault = f"the broker at {self._address} does not finish the handshake"
                return True
        return False

    def _granted(self, attempt: Attempt, refused: list[str]) -> None:
        if refused:
            self._say(f"the broker at {self._address} refuses to subscribe us to {', '.join(refused)}")
            return
        if self._state == "running":  # it grants one more
            return
        self._state = "running"
        who, where = self._member.client_id, self._address
        log.info("connected to the broker at %s by MQTT %s as %s", where, attempt.version, who)

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._stopping.wait(min(1.0, max(0.0, until - time.monotonic()))):
            self._beat = time.monotonic()
            if self._beat >= until:
                return

    def _say(self, fault: str) -> None:
        """One line for each change, written before the state tells it: who sees the one finds the other."""
        if fault != self._state:
            log.warning("%s: %s", self._member.client_id, fault)
            self._state = fault
