"""Where a stranger's URL may lead: its text, its host, its port, the address that the host has.

Pure rules, no I/O. Every refusal names the rule and the setting that would lift it; none repeats the URL,
which may hold a password.
"""

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, quote, unquote, urlsplit

from pydantic import Field, StringConstraints, field_validator

from edged.contracts.errors import BadRequest, NotAllowed
from edged.contracts.settings import FromFolder, Seconds, Settings

MAX_URL = 4096
"""Characters of a URL, a redirect's too."""

_HostName = Annotated[str, StringConstraints(to_lower=True, strip_whitespace=True, min_length=1)]
_Port = Annotated[int, Field(ge=1, le=65535)]

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_NOT_IN_URLS = re.compile(r"[\x00-\x20\x7f\\]")
_HOST = re.compile(r"[a-z0-9._-]{1,253}|[0-9a-f:.]+", re.IGNORECASE)  # a name, or what stood in [brackets]

ASCII = "".join(map(chr, range(0x21, 0x7F)))
"""What may stand in a URL as it is; other letters are percent-encoded before they are sent."""

_PORTS = {"http": 80, "https": 443}

_SPECIAL = tuple(
    (ip_network(network), rule)
    for network, rule in (
        ("0.0.0.0/8", "this very machine"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "carrier-grade NAT"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "a 6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "for benchmarks"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
        ("::/128", "this very machine"),
        ("::1/128", "loopback"),
        ("::ffff:0:0/96", "an IPv4 address within IPv6"),
        ("64:ff9b::/96", "an IPv4 address behind NAT64"),
        ("64:ff9b:1::/48", "an IPv4 address behind NAT64"),
        ("2001::/23", "reserved, or Teredo"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "an IPv4 address behind 6to4"),
        ("3fff::/20", "documentation"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "private"),
        ("ff00::/8", "multicast"),
    )
)
"""What is not public, after IANA's registries; written out, for Python's own answer differs by version."""
_GLOBAL_UNICAST = IPv6Network("2000::/3")
"""All public IPv6 addresses are in it."""


class FetchSettings(Settings):
    """What the box fetches for a request that names a URL: `http` and `https` from public addresses."""

    schemes: tuple[_HostName, ...] = ("http", "https")
    """Others (`s3`, `oss`) go through fsspec where its driver is installed, by its own rules of hosts."""
    ports: tuple[_Port, ...] = (80, 443, 8080, 8443)
    """Ports that a URL may name."""
    allow_hosts: tuple[_HostName, ...] = ()
    """Names, or addresses as the URL writes them, that may be reached though they are not public."""
    allow_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks (`192.168.1.0/24`) that may be reached though they are not public."""
    folders: tuple[Path, ...] = ()
    """Absolute folders in which `file:` URLs and bare paths may lie; links below them are not followed."""
    timeout_s: Seconds = 20.0
    """For one fetch, redirects included; longer is answered 504."""
    max_redirects: int = Field(default=5, ge=0, le=20)
    """Redirects that are followed; each is checked like the URL itself."""
    parallel: int = Field(default=8, ge=1, le=64)
    """Requests with a URL in work at a time; they never hold up those that bring their media along."""
    ca: FromFolder | None = None
    """PEM file of certificates to trust beside the system's."""

    @field_validator("schemes")
    @classmethod
    def _no_file(cls, schemes: tuple[str, ...]) -> tuple[str, ...]:
        if {"file", "local"} & set(schemes):
            raise ValueError("files of this box are allowed by `folders`, not by a scheme")
        return schemes

    @field_validator("folders")
    @classmethod
    def _absolute(cls, folders: tuple[Path, ...]) -> tuple[Path, ...]:
        for folder in folders:
            if not folder.is_absolute() or ".." in folder.parts:
                raise ValueError(f"{folder} is not an absolute path")
        return folders


@dataclass(frozen=True, slots=True)
class Destination:
    """An `http` or `https` URL that may be asked, provided that its host's addresses may be."""

    scheme: str
    host: str
    """A name or an address, without brackets and final dot, in lower case."""
    port: int
    path: str = field(repr=False)
    """Path and query, as they are sent; may hold a token."""
    login: str | None = field(repr=False)
    """`user:password`, if the URL brings one."""

    @property
    def authority(self) -> str:
        """What the header `Host` says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def scheme_of(url: str) -> str:
    """The scheme in lower case; `file` for a bare path."""
    found = _SCHEME.match(url)
    return found[1].lower() if found else "file"


def split(url: str) -> SplitResult:
    """The parts of a URL that is well written. Raises `BadRequest`."""
    if len(url) > MAX_URL:
        raise BadRequest(f"the URL has {len(url)} characters; at most {MAX_URL} are read")
    if _NOT_IN_URLS.search(url):
        raise BadRequest("a URL holds no space, control character or backslash; write them as %20, %5C ...")
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises as well
    except ValueError as error:
        raise BadRequest("the URL cannot be read: its host or port is not well written") from error
    return parts


def destination(url: str, settings: FetchSettings) -> Destination:
    """Read an `http` or `https` URL. Raises `BadRequest`, or `NotAllowed` for its scheme or port."""
    check_scheme(split(url).scheme, settings)
    asked = web_place(url)
    if asked.port not in settings.ports:
        raise NotAllowed(f"port {asked.port} is not among `requests.fetch.ports`")
    return asked


def web_place(url: str) -> Destination:
    """The same of a URL that may name any port. Raises `BadRequest`, or `NotAllowed` for its scheme."""
    parts = split(url)
    if parts.scheme not in _PORTS:
        raise NotAllowed("only http and https can be asked over the network; no redirect leads elsewhere")
    host = (parts.hostname or "").removesuffix(".")
    if not _HOST.fullmatch(host):
        raise BadRequest("the URL names no host that can be asked; letters beyond a-z are written as xn--...")
    port = _PORTS[parts.scheme] if parts.port is None else parts.port
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    login = unquote(parts.netloc.rpartition("@")[0]) or None
    return Destination(parts.scheme, host, port, quote(path, safe=ASCII), login)


def check_scheme(scheme: str, settings: FetchSettings) -> None:
    """Raises `NotAllowed` for a scheme that the configuration does not name."""
    if scheme not in settings.schemes:
        raise NotAllowed(f"the scheme `{scheme[:20]}` is not among `requests.fetch.schemes`")


def check_address(host: str, address: str, settings: FetchSettings) -> None:
    """Raises `NotAllowed` unless `address`, one that `host` has, is public or allowed."""
    known = ip_address(address)
    if host in settings.allow_hosts or any(known in network for network in settings.allow_networks):
        return
    if rule := _special(known):
        # Not the address: strangers shall not learn what the names of the house stand for.
        raise NotAllowed(
            f"{host} is not public but {rule}; `requests.fetch.allow_hosts` or "
            "`requests.fetch.allow_networks` would allow it"
        )


def _special(address: IPv4Address | IPv6Address) -> str | None:
    """What the address is instead of public; none for a public one."""
    for network, rule in _SPECIAL:
        if address in network:
            return rule
    return None if address.version == 4 or address in _GLOBAL_UNICAST else "reserved"
