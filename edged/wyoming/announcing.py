"""Telling the network where Wyoming is: `_wyoming._tcp` of zeroconf, by which Home Assistant finds it."""

import ipaddress
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import ifaddr
from zeroconf import Error, InterfaceChoice
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from edged.wyoming.settings import WyomingSettings

log = logging.getLogger(__name__)

KIND = "_wyoming._tcp.local."


@asynccontextmanager
async def announced(settings: WyomingSettings, node: str, port: int) -> AsyncIterator[None]:
    """For the length of the block. A network that cannot be told is no fault: an address can be typed in."""
    told = None
    if settings.announce:
        try:
            addresses = _addresses(settings)
            info = AsyncServiceInfo(
                *(KIND, f"{node}.{KIND}"), port, parsed_addresses=addresses, server=f"edged-{node}.local."
            )
            here = all(ipaddress.ip_address(one).is_loopback for one in addresses)
            told = AsyncZeroconf(interfaces=addresses if here else InterfaceChoice.Default)
            await told.async_register_service(info, allow_name_change=True)
        except (OSError, Error) as error:
            log.warning("Wyoming cannot be announced by zeroconf: %s", error or type(error).__name__)
    try:
        yield
    finally:
        if told is not None:
            await told.async_unregister_all_services()
            await told.async_close()


def _addresses(settings: WyomingSettings) -> list[str]:
    """At which it can be reached, IPv4 first."""
    host = "" if settings.address is None else settings.address.host
    if host not in ("0.0.0.0", "::"):  # noqa: S104 - told apart, not opened
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return sorted({str(where[0]) for *_, where in found}, key=lambda one: ":" in one)
    ips = (str(ip.ip) for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv4)
    return [ip for ip in ips if not ipaddress.ip_address(ip).is_loopback]
