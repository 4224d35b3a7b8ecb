"""One connection to a broker, kept up for ever: MQTT 5 where it is spoken, else 3.1.1.

Every try is a fresh paho client, so that nothing of a broken connection (queued messages, packet ids) leaks
into the next. `up` means that the broker accepted us **and** granted the subscriptions; paho's own
`is_connected` stays true after a refusal.
"""

import contextlib
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edged.contracts.errors import ConfigError
from edged.flow.backoff import delays
from edged.mqtt.settings import Address, MqttSettings, Version
from edged.mqtt.tls import TlsSocket, client_context, tls_reason

log = logging.getLogger(__name__)

HANDSHAKE_S = 10.0
"""Seconds for a broker to accept us and to grant the subscriptions."""
STABLE_S = 10.0
"""A connection that lived so long was a good one: the next tries are quick again."""
SHORT_S = 60.0
SHORT_LIVES = 3
"""So many connections in a row that lived shorter than `SHORT_S` look like a rival with our name: mosquitto
2.0.11 only closes the socket where MQTT 5 has a reason code for it."""
MAX_INFLIGHT = 65535
"""All that MQTT has. With less the broker holds back or drops what comes above, instead of our 429."""
_PROTOCOL = {"5": paho.MQTTv5, "3.1.1": paho.MQTTv311}
_WRONG_VERSION = 0x84
_TAKEN_OVER = 0x8E
_FAILURE = 0x80
_WRONG_USER = (0x86, 0x87)
"""Bad user name or password; not authorized, which mosquitto says for both."""


@dataclass(frozen=True)
class Membership:
    """As whom we connect."""

    client_id: str
    topics: tuple[str, ...]
    """Filters to subscribe to, with QoS 1."""
    keepalive: int
    """Seconds."""
    session_s: int
    """Seconds for which the broker keeps what it could not deliver; 3.1.1 knows only none (0) or for ever."""
    versions: tuple[Version, ...]
    """In order of preference."""
    will: str | None = None
    """Topic on which the broker says `offline` for us, retained."""


class Carrier:
    """A connection that is up: what the outbox sends through. Dead for good once the connection is lost."""

    def __init__(self, client: paho.Client, version: Version, properties: Any) -> None:
        self._client = client
        self.version: Version = version
        self.speaks_5 = version == "5"
        self.window: int = getattr(properties, "ReceiveMaximum", MAX_INFLIGHT)
        self.shares: bool = self.speaks_5 and getattr(properties, "SharedSubscriptionAvailable", 1) == 1

    def publish(self, topic: str, body: bytes, qos: int, retain: bool, properties: Any) -> int | None:
        """Hand over; the number that `published` reports, or none: not sent and lost."""
        info = self._client.publish(topic, body, qos, retain, properties)
        return info.mid if qos or info.rc == paho.MQTT_ERR_SUCCESS else None


@dataclass(frozen=True)
class Events:
    """What the connection tells, in its own thread."""

    up: Callable[[Carrier], None]
    lost: Callable[[Carrier], None]
    message: Callable[[paho.MQTTMessage, Callable[[], object]], None]
    """A message, and what acknowledges it."""
    published: Callable[[Carrier, int, str], None] = lambda *_: None
    """Number, and why the broker refused it (empty: it did not)."""


@dataclass
class _Try:
    """What is known of one attempt, from its thread of paho."""

    version: Version
    began: float = field(default_factory=time.monotonic)
    answered: bool = False
    """The broker understood the CONNECT, whatever it says to it; or there is none."""
    silent: bool = False
    fault: str = ""
    socket: Any = None
    carrier: Carrier | None = None
    granted: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)


class Connection:
    """Owns one thread that connects, watches, and connects again."""

    def __init__(self, settings: MqttSettings, member: Membership, events: Events) -> None:
        self._settings = settings
        self._address: Address = settings.address
        self._member = member
        self._events = events
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

    def _try_versions(self) -> _Try:
        """The first version that the broker answers to; given up after two closed handshakes.

        One may come from a broker that just went down. A broker that says nothing at all is not asked twice.
        """
        tries = 2 if len(self._member.versions) > 1 else 1
        for version in self._member.versions:
            for _ in range(tries):
                found = self._connect_once(version)
                if found.answered or self._stopping.is_set():
                    return found
                if found.silent:
                    break
        return found

    def _connect_once(self, version: Version) -> _Try:
        """One connection from its first to its last moment."""
        attempt = _Try(version)
        try:
            client = self._client(attempt)
            client.connect(
                self._address.host, self._address.port, self._member.keepalive, **self._session(version)
            )
        except (OSError, ValueError, ConfigError) as error:
            attempt.answered = True  # nothing to learn from another version
            attempt.fault = self._unreachable(error)
        else:
            client.loop_start()
            self._watch(client, attempt)
            self._close(client, attempt)
        if attempt.carrier is not None:
            self._events.lost(attempt.carrier)
        if not self._stopping.is_set():
            self._say(attempt.fault or self._hung_up())
        return attempt

    def _unreachable(self, error: Exception) -> str:
        if isinstance(error, ConfigError):
            return str(error)
        if isinstance(error, ssl.SSLError | ConnectionResetError) and self._address.tls:
            return f"no TLS with the broker at {self._address}: {tls_reason(error, self._address.host)}"
        return f"cannot reach the broker at {self._address}: {error}"

    def _hung_up(self) -> str:
        wants = "a certificate of ours (mqtt.tls.certificate)" if self._address.tls else "TLS (mqtts://)"
        return f"the broker at {self._address} closed the connection without a word; does it want {wants}?"

    def _watch(self, client: paho.Client, attempt: _Try) -> None:
        deadline = time.monotonic() + HANDSHAKE_S
        while not attempt.ended.is_set() and not self._stopping.is_set():
            self._wake.wait(0.5)
            self._wake.clear()
            self._beat = time.monotonic()
            if not attempt.granted.is_set() and self._beat > deadline:
                attempt.fault = f"the broker at {self._address} does not finish the handshake"
                attempt.silent = True
                return

    def _close(self, client: paho.Client, attempt: _Try) -> None:
        """End paho's thread, also when the broker does not read any more."""
        client.disconnect()
        if not attempt.ended.wait(1.0) and isinstance(sock := client.socket(), socket.socket):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        client.loop_stop()
        # they know the attempt, which knows the client: a ring that would keep its sockets open
        client.on_socket_open = client.on_connect = client.on_subscribe = None
        client.on_disconnect = client.on_publish = client.on_message = None

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._stopping.wait(min(1.0, max(0.0, until - time.monotonic()))):
            self._beat = time.monotonic()
            if self._beat >= until:
                return

    def _say(self, fault: str) -> None:
        """One line for each change."""
        if fault != self._state:
            self._state = fault
            log.warning("%s: %s", self._member.client_id, fault)

    def _client(self, attempt: _Try) -> paho.Client:
        member, settings = self._member, self._settings
        speaks_5 = attempt.version == "5"
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=member.client_id,
            clean_session=None if speaks_5 else member.session_s == 0,
            protocol=_PROTOCOL[attempt.version],
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.max_inflight_messages_set(0)  # the outbox bounds them
        if settings.username is not None:
            password = settings.password.get_secret_value() if settings.password is not None else None
            client.username_pw_set(settings.username, password)
        if self._address.tls:
            client.tls_set_context(client_context(settings.tls))
        if member.will is not None:
            client.will_set(member.will, b"offline", qos=1, retain=True)
        self._listen(client, attempt)
        return client

    def _session(self, version: Version) -> dict[str, Any]:
        """What MQTT 5 wants to know with the CONNECT; 3.1.1 has it in the client."""
        if version != "5":
            return {}
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = self._member.session_s
        properties.ReceiveMaximum = MAX_INFLIGHT
        return {"clean_start": self._member.session_s == 0, "properties": properties}

    def _listen(self, client: paho.Client, attempt: _Try) -> None:
        client.on_socket_open = lambda c, _, sock: self._on_socket_open(c, attempt, sock)
        client.on_connect = lambda c, _, flags, reason, facts: self._on_connect(c, attempt, reason, facts)
        client.on_subscribe = lambda c, _, mid, reasons, facts: self._on_subscribe(attempt, reasons)
        client.on_disconnect = lambda c, _, flags, reason, facts: self._on_disconnect(attempt, reason)
        client.on_publish = lambda c, _, mid, reason, facts: self._on_publish(attempt, mid, reason)
        client.on_message = lambda c, _, message: self._events.message(
            message, lambda: c.ack(message.mid, message.qos)
        )

    def _on_socket_open(self, client: paho.Client, attempt: _Try, sock: Any) -> None:
        without_delay(client, None, sock)
        attempt.socket = sock

    def _on_connect(self, client: paho.Client, attempt: _Try, reason: ReasonCode, facts: Any) -> None:
        attempt.answered = not (reason.is_failure and reason.value == _WRONG_VERSION)
        if reason.is_failure:
            attempt.fault = f"the broker at {self._address} refuses us: {self._refusal(reason)}"
            return
        attempt.carrier = Carrier(client, attempt.version, facts)
        qos = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
        topics: Any = [(topic, qos if attempt.version == "5" else 1) for topic in self._member.topics]
        client.subscribe(topics)

    def _refusal(self, reason: ReasonCode) -> str:
        if reason.value not in _WRONG_USER:
            return str(reason)
        if self._settings.username is None:
            return "it wants a user and a password (mqtt.username, mqtt.password)"
        return "the user or the password is wrong"

    def _on_subscribe(self, attempt: _Try, reasons: list[ReasonCode]) -> None:
        refused = [
            f"{t} ({r})" for t, r in zip(self._member.topics, reasons, strict=False) if r.value >= _FAILURE
        ]
        attempt.granted.set()
        if attempt.carrier is not None:
            self._events.up(attempt.carrier)
        if refused:
            self._say(f"the broker at {self._address} refuses to subscribe us to {', '.join(refused)}")
        else:
            self._state = "running"
            log.info(
                "connected to the broker at %s by MQTT %s as %s",
                self._address,
                attempt.version,
                self._member.client_id,
            )

    def _on_disconnect(self, attempt: _Try, reason: ReasonCode) -> None:
        if reason.value == _TAKEN_OVER:
            attempt.fault = f"another client took our place at the broker; {self._rival()}"
        elif isinstance(attempt.socket, TlsSocket) and attempt.socket.failure is not None:
            attempt.answered = True
            attempt.fault = self._unreachable(attempt.socket.failure)
        elif not attempt.fault and attempt.carrier is not None:
            attempt.fault = f"the connection to {self._address} is lost: {reason}"
            if self._short_lives + 1 >= SHORT_LIVES:
                attempt.fault += f", as {self._short_lives} times before; {self._rival()}"
        attempt.ended.set()
        self._wake.set()

    def _rival(self) -> str:
        return (
            f"does another box connect to {self._address} as {self._member.client_id!r}? "
            "give each a `node` name of its own"
        )

    def _on_publish(self, attempt: _Try, number: int, reason: ReasonCode) -> None:
        if attempt.carrier is not None:
            self._events.published(attempt.carrier, number, str(reason) if reason.value >= _FAILURE else "")


def without_delay(client: paho.Client, userdata: Any, sock: Any) -> None:
    """Small packets go at once: measured with amqtt, 44 ms a round trip fall to 1.8."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
