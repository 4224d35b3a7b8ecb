"""Settings of everything that speaks MQTT."""

from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import ConfigDict, Field, SecretStr, field_validator, model_validator

from edged.contracts.settings import Seconds, Settings

Version = Literal["5", "3.1.1"]

EMBEDDED = "embedded"
_PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a broker listens."""

    host: str
    port: int
    tls: bool = False

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class MqttSettings(Settings):
    """The broker, and how much may wait for it."""

    model_config = ConfigDict(hide_input_in_errors=True)  # a URL may hold a password

    url: str = EMBEDDED
    """`embedded`: a broker of our own; else `mqtt://[user:password@]host[:port]`, or `mqtts://` for TLS."""
    version: Literal["auto", "5", "3.1.1"] = "auto"
    """`auto` takes MQTT 5 where the broker speaks it."""
    username: str | None = None
    """May stand in the URL instead."""
    password: SecretStr | None = None
    """May stand in the URL instead; never shown."""
    keepalive: Seconds = Field(default=30.0, ge=5, le=3600)
    """A broker that is silent for one and a half of this is taken for dead."""
    embedded_port: int = Field(default=1883, ge=1, le=65535)
    """Port of the embedded broker, on 127.0.0.1."""
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
        if url != EMBEDDED:
            parts = urlsplit(url)
            if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/") or parts.query:
                raise ValueError("want `embedded`, mqtt://host:port or mqtts://host:port")
            _port(parts)
        return url

    @model_validator(mode="after")
    def _password_has_a_user(self) -> "MqttSettings":
        if self.password is not None and self.username is None:
            raise ValueError("`password` needs `username`")
        return self

    @property
    def address(self) -> Address:
        """Where to connect to."""
        if self.url == EMBEDDED:
            return Address("127.0.0.1", self.embedded_port)
        parts = urlsplit(self.url)
        return Address(parts.hostname or "", _port(parts), parts.scheme == "mqtts")


def _port(parts: SplitResult) -> int:
    return parts.port or _PORTS[parts.scheme]
