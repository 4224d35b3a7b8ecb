"""Who gives way when all places are taken: strangers first, of whom one address never keeps many.

A stranger is a connection over which no request was let in yet: it has said nothing, or brought no token.
"""

import ipaddress
from collections import Counter
from collections.abc import Collection
from typing import Protocol, TypeVar

MOST_STRANGERS = 16
"""Of one address, for longer than `STRANGE_S`; those beyond are cut off, the oldest first."""
STRANGE_S = 2.0
"""A burst of clients who are about to send their requests is no harm."""
_NETWORK_BITS = 64
"""Of IPv6 everybody has so many addresses that they count as one."""


class Guest(Protocol):
    """A connection, as far as its place is concerned."""

    @property
    def address(self) -> str:
        """Whose it is."""

    @property
    def known(self) -> bool:
        """Whether a request of it was let in."""

    @property
    def spare(self) -> bool:
        """Whether no answer would be lost with it: it waits for a request."""

    @property
    def since(self) -> float:
        """When it began what it does, by the loop's time."""


G = TypeVar("G", bound=Guest)


def giving_way(guests: Collection[G]) -> G | None:
    """Who makes room for one more: of the address with the most strangers the oldest, else who idles longest.

    None where all of them are at work.
    """
    strangers = [guest for guest in guests if not guest.known]
    crowd = Counter(guest.address for guest in strangers)
    if strangers:
        return min(strangers, key=lambda guest: (-crowd[guest.address], guest.since))
    return min((guest for guest in guests if guest.spare), key=lambda guest: guest.since, default=None)


def too_many(guests: Collection[G], now: float) -> list[G]:
    """The strangers that are more than one address may keep."""
    waiting = [guest for guest in guests if not guest.known and now - guest.since > STRANGE_S]
    kept: Counter[str] = Counter()
    surplus = []
    for guest in sorted(waiting, key=lambda guest: -guest.since):
        kept[guest.address] += 1
        if kept[guest.address] > MOST_STRANGERS:
            surplus.append(guest)
    return surplus


def holder(host: str) -> str:
    """Whose address this is: that of IPv4, the network of IPv6."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(address), _NETWORK_BITS), strict=False))
