"""Settings of Wyoming."""

import ipaddress
from typing import Self

from pydantic import Field, field_validator, model_validator

from edged.contracts.settings import Seconds, Settings
from edged.flow.listening import Listen, ListenAddress

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class WyomingSettings(Settings):
    """Speech to text for Home Assistant's voice; wants `pip install 'edged[wyoming]'`."""

    listen: ListenAddress | None = None
    """`host:port`, such as 127.0.0.1:10300; null switches it off. The protocol knows no token: any other host
    than this machine's own needs `clients`."""
    clients: tuple[str, ...] = ()
    """Addresses, or networks such as 192.168.1.0/24, that may connect; none: this machine alone."""
    announce: bool = True
    """Tell by zeroconf where it listens, as `_wyoming._tcp`: Home Assistant finds it by itself."""
    longest: Seconds = Field(default=120.0, le=3600)
    """Of what is said; more is refused."""

    @field_validator("clients")
    @classmethod
    def _networks(cls, clients: tuple[str, ...]) -> tuple[str, ...]:
        for client in clients:
            ipaddress.ip_network(client)
        return clients

    @model_validator(mode="after")
    def _closed_to_strangers(self) -> Self:
        if (address := self.address) is not None and not address.is_loopback and not self.clients:
            raise ValueError(
                f"`listen: {self.listen}` opens Wyoming, which knows no token, to the network: name the "
                "`clients` that may connect, or listen on 127.0.0.1"
            )
        return self

    @property
    def address(self) -> Listen | None:
        """Where to listen; none: Wyoming is switched off."""
        return Listen.parse(self.listen) if self.listen is not None else None

    def admits(self, host: str) -> bool:
        """Whether the one with this address may connect."""
        address = ipaddress.ip_address(host.partition("%")[0])
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        networks = (ipaddress.ip_network(client) for client in self.clients)
        return address.is_loopback or any(
            address in network for network in networks if network.version == address.version
        )
