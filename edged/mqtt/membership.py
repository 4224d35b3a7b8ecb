"""As whom a node connects: once as itself, once as one of its fleet."""

import secrets
from dataclasses import dataclass

from edged.mqtt.broker import embedded_versions
from edged.mqtt.settings import EMBEDDED, MqttSettings, Version
from edged.mqtt.topics import FLEET, Topics

SESSION_S = 3600
"""Seconds for which the broker keeps requests for a box that is away."""
SHARED_KEEPALIVE_S = 5
"""The broker gives the share of a dead box to the others after one and a half of this."""


@dataclass(frozen=True)
class Membership:
    """As whom we connect."""

    client_id: str
    topics: tuple[str, ...]
    """Filters to subscribe to from the beginning, with QoS 1."""
    keepalive: int
    """Seconds."""
    session_s: int
    """Seconds for which the broker keeps what it could not deliver; 3.1.1 knows only none (0) or for ever."""
    versions: tuple[Version, ...]
    """In order of preference."""
    will: str | None = None
    """Topic on which the broker says `offline` for us, retained."""
    looks_back: bool = False
    """Wants what is retained, and nothing twice: with QoS 0. A broker holds back or drops what exceeds its
    window and queue of QoS 1; QoS 0 waits in the socket."""


def as_itself(topics: Topics, settings: MqttSettings, heard: tuple[str, ...]) -> Membership:
    """The node: its own requests and orders wait for it while it is away; `heard`: the filters of them."""
    return Membership(
        client_id=f"edged-{topics.node}",
        topics=heard,
        keepalive=int(settings.keepalive),
        session_s=SESSION_S,
        versions=_versions(settings),
        will=topics.availability,
    )


def as_one_of_the_fleet(topics: Topics) -> Membership:
    """Apart from our own: a persistent session would keep its share of the requests while we are away.

    Its filters come and go with the services.
    """
    return Membership(
        client_id=f"edged-{topics.node}-any",
        topics=(),
        keepalive=SHARED_KEEPALIVE_S,
        session_s=0,
        versions=("5",),
    )


def as_lookout(settings: MqttSettings) -> Membership:
    """Somebody who reads what all nodes tell, and whom no node and no other lookout is in the way of."""
    return Membership(
        client_id=f"edged-fleet-{secrets.token_hex(4)}",
        topics=FLEET,
        keepalive=int(settings.keepalive),
        session_s=0,
        versions=_versions(settings),
        looks_back=True,
    )


def _versions(settings: MqttSettings) -> tuple[Version, ...]:
    if settings.version != "auto":
        return (settings.version,)
    return embedded_versions() if settings.url == EMBEDDED else ("5", "3.1.1")
