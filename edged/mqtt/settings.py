"""Settings of everything that speaks MQTT."""

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import ConfigDict, Field, field_validator, model_validator

from edged.contracts.settings import Seconds, Secret, Settings
from edged.flow.listening import near
from edged.mqtt.tls import TlsSettings

Version = Literal["5", "3.1.1"]

EMBEDDED = "embedded"
_PORTS = {"mqtt": 1883, "mqtts": 8883}
_USER = re.compile(r"[\w.@-]+")
"""What may stand in a broker's file of passwords."""


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where a broker listens."""

    host: str
    port: int
    tls: bool = False

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class MqttSettings(Settings):
    """The broker, and how much may wait for it."""

    model_config = ConfigDict(hide_input_in_errors=True)  # a URL may hold a password

    url: str = EMBEDDED
    """`embedded`: a broker of our own; else `mqtt://[user:password@]host[:port]`, or `mqtts://` for TLS."""
    version: Literal["auto", "5", "3.1.1"] = "auto"
    """`auto` takes MQTT 5 where the broker speaks it."""
    username: str | None = None
    """May stand in the URL instead."""
    password: Secret | None = None
    """May stand in the URL instead; never shown. `file:/run/secrets/x` reads it from a file."""
    tls: TlsSettings = TlsSettings()
    """For `mqtts://`."""
    keepalive: Seconds = Field(default=30.0, ge=5, le=3600)
    """A broker that is silent for one and a half of this is taken for dead."""
    embedded_port: int = Field(default=1883, ge=1, le=65535)
    """Port of the embedded broker."""
    embedded_listen: str = "127.0.0.1"
    """Address of the embedded broker; another than 127.0.0.1 needs `username` and `password`, which then all
    clients need. They cross the network unencrypted: for TLS run a mosquitto of your own."""
    max_payload_bytes: int = Field(default=20_000_000, ge=1000)
    """A longer request is answered 413."""
    window: int = Field(default=200, ge=1, le=60_000)
    """Messages on their way to the broker at the same time; less where the broker asks for less."""
    max_waiting_results: int = Field(default=1000, ge=1)
    """Stream results that wait while the broker is away; then the oldest are dropped and counted."""

    @model_validator(mode="before")
    @classmethod
    def _user_from_url(cls, value: Any) -> Any:
        """Takes user and password out of the URL, so that it can be shown."""
        if not isinstance(value, dict) or not isinstance(value.get("url"), str):
            return value
        scheme, found, rest = value["url"].partition("://")
        user_info, at, host = rest.rpartition("@")
        if not found or not at:
            return value
        user, colon, password = user_info.partition(":")
        named = {"username": unquote(user)} | ({"password": unquote(password)} if colon else {})
        if named.keys() & value.keys():
            raise ValueError("the user stands in `url` and in `username` or `password`: give it once")
        return {**value, **named, "url": f"{scheme}://{host}"}

    @field_validator("url")
    @classmethod
    def _known(cls, url: str) -> str:
        if url != EMBEDDED and not _is_broker(url):
            raise ValueError("want `embedded`, mqtt://host:port or mqtts://host:port")
        return url

    @field_validator("embedded_listen")
    @classmethod
    def _numeric(cls, address: str) -> str:
        try:
            return str(ipaddress.ip_address(address))
        except ValueError:
            raise ValueError(
                "want an IP address: 127.0.0.1, 0.0.0.0 for all, or one of this machine"
            ) from None

    @model_validator(mode="after")
    def _fits_together(self) -> "MqttSettings":
        if faults := list(self._faults()):
            raise ValueError("\n".join(faults))
        return self

    def _faults(self) -> Iterator[str]:
        if self.password is not None and self.username is None:
            yield "`password` needs `username`"
        if self.tls != TlsSettings() and not self.address.tls:
            yield "`tls` is given, but `url` does not ask for it: want mqtts://host"
        if self.password is not None and not self.password.get_secret_value():
            yield "`password` is empty"
        if self.url == EMBEDDED:
            yield from self._embedded_faults()

    def _embedded_faults(self) -> Iterator[str]:
        if self.password is not None and self.username is not None and not _USER.fullmatch(self.username):
            yield "`username` of the embedded broker may have letters, digits and _ . @ - only"
        if self.password is None and not ipaddress.ip_address(self.embedded_listen).is_loopback:
            yield (
                f"`embedded_listen: {self.embedded_listen}` opens the broker to the network: "
                "give `username` and `password`, or leave it at 127.0.0.1"
            )

    @property
    def address(self) -> BrokerAddress:
        """Where to connect to."""
        if self.url == EMBEDDED:
            return BrokerAddress(near(self.embedded_listen), self.embedded_port)
        parts = urlsplit(self.url)
        return BrokerAddress(parts.hostname or "", _port(parts), parts.scheme == "mqtts")


def _is_broker(url: str) -> bool:
    try:
        parts = urlsplit(url)
        known = parts.scheme in _PORTS and bool(parts.hostname) and _port(parts) > 0
    except ValueError:  # its text may quote a password that stands in the wrong place
        return False
    return known and not (parts.path.strip("/") or parts.query or parts.fragment)


def _port(parts: SplitResult) -> int:
    return parts.port or _PORTS[parts.scheme]
