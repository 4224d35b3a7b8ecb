"""Where a server of ours takes connections."""

import errno
import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import AfterValidator

from edged.contracts.errors import EdgedError

BACKLOG = 128
"""Connections that the kernel keeps until they are taken."""
_LISTEN = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[\w.-]+):(?P<port>\d{1,5})")


@dataclass(frozen=True, slots=True)
class Listen:
    """Where the server takes connections."""

    host: str
    """Name or address, an IPv6 address without brackets."""
    port: int
    """0: any free one."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """`host:port` or `[::1]:port`. Raises `ValueError` that says so."""
        found = _LISTEN.fullmatch(text)
        if found is None or int(found["port"]) > 65535:
            raise ValueError("want host:port, such as 127.0.0.1:8080 or [::1]:8080")
        return cls(found["host"].strip("[]"), int(found["port"]))

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        return is_loopback(self.host)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _address(text: str) -> str:
    Listen.parse(text)
    return text


ListenAddress = Annotated[str, AfterValidator(_address)]
"""`host:port`, in settings."""


def near(host: str) -> str:
    """Where this machine finds a server of its own that listens there: at `0.0.0.0` is nobody."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104


def is_loopback(host: str) -> bool:
    """Whether a name or an address, without brackets, always means the own machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def listening(address: Listen, setting: str) -> list[socket.socket]:
    """A socket for each address that the host's name has. Raises `EdgedError` that says what to do; `setting`
    says the address."""
    sockets: list[socket.socket] = []
    try:
        kinds = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, kind, protocol, _, where in kinds:
            sock = socket.socket(family, kind, protocol)
            sockets.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(address.host != "::"))
            sock.bind(where)
            sock.listen(BACKLOG)
            sock.setblocking(False)
    except OSError as error:
        for sock in sockets:
            sock.close()
        raise EdgedError(f"`{setting}`: {_why(address, error)}") from error
    return sockets


def _why(address: Listen, error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"another program listens on {address} already; stop it, or choose another port"
        case errno.EACCES:
            return f"port {address.port} is for root only; choose one above 1023"
        case errno.EADDRNOTAVAIL:
            return f"{address.host} is no address of this machine"
    return f"cannot listen on {address}: {error.strerror or error}"
