"""One connection from its first to its last moment: a fresh paho client, and what is learnt of it.

Fresh, so that nothing of a broken connection (queued messages, packet ids) leaks into the next. `up` means
that the broker accepted us **and** granted the subscriptions; paho's own `is_connected` stays true after a
refusal.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edged.contracts.errors import ConfigError
from edged.mqtt import faults
from edged.mqtt.carrier import MAX_INFLIGHT, Carrier, Events
from edged.mqtt.membership import Membership
from edged.mqtt.settings import BrokerAddress, MqttSettings, Version
from edged.mqtt.subscriptions import Subscriptions
from edged.mqtt.tls import TlsSocket, client_context

SHORT_LIVES = 3
"""So many short connections in a row look like a rival with our name: mosquitto 2.0.11 only closes the socket
where MQTT 5 has a reason code for it."""
_PROTOCOL = {"5": paho.MQTTv5, "3.1.1": paho.MQTTv311}
_WRONG_VERSION = 0x84
_TAKEN_OVER = 0x8E
_KEEP_ALIVE = 0x8D
_FAILURE = 0x80


class Attempt:
    """Told by paho's thread; the facts are read by the connection's, which opens and closes it."""

    def __init__(
        self,
        settings: MqttSettings,
        member: Membership,
        version: Version,
        *,
        events: Events,
        granted: Callable[["Attempt", list[str]], None],
        changed: Callable[[], None],
        topics: Callable[[], tuple[str, ...]],
        short_lives: int,
    ) -> None:
        """`granted` gets the filters that were refused, with reasons; `changed`: it has ended.

        `topics`: the filters that are wanted now.
        """
        self.version: Version = version
        self.began = time.monotonic()
        self.answered = False
        """The broker understood the CONNECT, whatever it says to it; or there is none."""
        self.fault = ""
        self.carrier: Carrier | None = None
        self.granted = threading.Event()
        self.ended = threading.Event()
        self._settings = settings
        self._address: BrokerAddress = settings.address
        self._member = member
        self._events = events
        self._tell_granted = granted
        self._changed = changed
        self._short_lives = short_lives
        self._subscriptions = Subscriptions(topics, looks_back=member.looks_back)
        self._socket: Any = None
        self._client: paho.Client | None = None

    def open(self) -> bool:
        """Connect. False: it cannot be, and there is nothing to close."""
        try:
            client = self._prepared()
            keepalive, session = self._member.keepalive, _session(self.version, self._member)
            client.connect(self._address.host, self._address.port, keepalive, **session)
        except (OSError, ValueError, ConfigError) as error:
            self.answered = True  # nothing to learn from another version
            self.fault = faults.unreachable(self._address, error)
            return False
        self._client = client
        client.loop_start()
        return True

    def follow(self) -> None:
        """Subscribe to what is wanted now, and to nothing else."""
        client, carrier = self._client, self.carrier
        # one that is not connected yet looks by itself
        if (
            client is not None
            and carrier is not None
            and self._subscriptions.follow(client, carrier.speaks_5)
        ):
            self._grant()

    def close(self) -> None:
        """End paho's thread, also when the broker does not read any more."""
        client, self._client = self._client, None
        if client is None:
            return
        client.disconnect()
        if not self.ended.wait(1.0) and isinstance(sock := client.socket(), socket.socket):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        client.loop_stop()
        # they know the attempt, which knows the client: a ring that would keep its sockets open
        client.on_socket_open = client.on_connect = client.on_subscribe = None
        client.on_disconnect = client.on_publish = client.on_message = None

    def _prepared(self) -> paho.Client:
        client = _client(self._settings, self._member, self.version)
        client.on_socket_open = lambda c, _, sock: self._on_socket_open(c, sock)
        client.on_connect = lambda c, _, flags, reason, facts: self._on_connect(c, flags, reason, facts)
        client.on_subscribe = lambda c, _, mid, reasons, facts: self._on_subscribe(mid, reasons)
        client.on_disconnect = lambda c, _, flags, reason, facts: self._on_disconnect(flags, reason)
        client.on_publish = lambda c, _, mid, reason, facts: self._on_publish(mid, reason)
        client.on_message = lambda c, _, message: self._on_message(c, message)
        return client

    def _on_socket_open(self, client: paho.Client, sock: Any) -> None:
        without_delay(client, None, sock)
        self._socket = sock

    def _on_connect(
        self, client: paho.Client, flags: paho.ConnectFlags, reason: ReasonCode, facts: Any
    ) -> None:
        self.answered = not (reason.is_failure and reason.value == _WRONG_VERSION)
        if reason.is_failure:
            self.fault = faults.refused(self._address, reason, self._settings.username is not None)
            return
        if not flags.session_present:
            self._events.fresh()
        self.carrier = Carrier(client, self.version, facts)
        self.follow()

    def _on_subscribe(self, number: int, reasons: list[ReasonCode]) -> None:
        self._subscriptions.told(number, reasons)
        self._grant()

    def _grant(self) -> None:
        """The broker has said yes or no to what we want."""
        if self.carrier is not None and not self.granted.is_set():
            self.granted.set()
            self._events.up(self.carrier)
        self._tell_granted(self, self._subscriptions.refused())

    def _on_message(self, client: paho.Client, message: paho.MQTTMessage) -> None:
        if self.carrier is not None:
            self._events.message(self.carrier, message, lambda: client.ack(message.mid, message.qos))

    def _on_disconnect(self, flags: paho.DisconnectFlags, reason: ReasonCode) -> None:
        if self.carrier is not None:
            self.carrier.was_cut = reason.value not in (0, _KEEP_ALIVE, _TAKEN_OVER)
        if isinstance(self._socket, TlsSocket) and self._socket.failure is not None:
            self.answered = True
        self.fault = self._why_it_ended(flags, reason)
        self.ended.set()
        self._changed()

    def _why_it_ended(self, flags: paho.DisconnectFlags, reason: ReasonCode) -> str:
        """In words; what is known already stays, and empty is that it never began."""
        rival = faults.rival(self._address, self._member.client_id)
        if reason.value == _TAKEN_OVER:
            return f"another client took our place at the broker; {rival}"
        if isinstance(self._socket, TlsSocket) and self._socket.failure is not None:
            return faults.unreachable(self._address, self._socket.failure)
        if self.fault or self.carrier is None:
            return self.fault
        lost = f"the connection to {self._address} is lost: {reason}"
        if self.carrier.suspect:
            return f"{lost}, on {self.carrier.suspect}"
        if self._short_lives + 1 >= SHORT_LIVES and not flags.is_disconnect_packet_from_server:
            return f"{lost}, as {self._short_lives} times before; {rival}"
        return lost

    def _on_publish(self, number: int, reason: ReasonCode) -> None:
        if self.carrier is not None:
            self._events.published(self.carrier, number, str(reason) if reason.value >= _FAILURE else "")


def without_delay(client: paho.Client, userdata: Any, sock: Any) -> None:
    """Small packets go at once: measured with amqtt, 44 ms a round trip fall to 1.8."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _client(settings: MqttSettings, member: Membership, version: Version) -> paho.Client:
    client = paho.Client(
        CallbackAPIVersion.VERSION2,
        client_id=member.client_id,
        clean_session=None if version == "5" else member.session_s == 0,
        protocol=_PROTOCOL[version],
        reconnect_on_failure=False,
        manual_ack=True,
    )
    client.max_inflight_messages_set(0)  # the sender bounds them
    if settings.username is not None:
        password = settings.password.get_secret_value() if settings.password is not None else None
        client.username_pw_set(settings.username, password)
    if settings.address.tls:
        client.tls_set_context(client_context(settings.tls))
    if member.will is not None:
        client.will_set(member.will, b"offline", qos=1, retain=True)
    return client


def _session(version: Version, member: Membership) -> dict[str, Any]:
    """What MQTT 5 wants to know with the CONNECT; 3.1.1 has it in the client."""
    if version != "5":
        return {}
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = member.session_s
    properties.ReceiveMaximum = MAX_INFLIGHT
    return {"clean_start": member.session_s == 0, "properties": properties}
