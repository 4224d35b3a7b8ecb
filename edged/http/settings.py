"""Settings of everything that speaks HTTP."""

import re
from typing import Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from edged.contracts.settings import Secret, Settings
from edged.flow.listening import Listen, ListenAddress

SHORTEST_TOKEN = 16
"""Characters; a shorter one could be guessed."""
_PUBLIC = re.compile(r"https?://[^\s/?#@\\\"<>]+(/[^\s?#\\\"<>]*)?")
_TOKEN = re.compile(r"[\x21-\x7e]*")


class HttpSettings(Settings):
    """The HTTP server: requests, metrics, the page."""

    model_config = ConfigDict(hide_input_in_errors=True)  # the token is one of the inputs

    listen: ListenAddress | None = "127.0.0.1:8080"
    """`host:port`; null switches HTTP off. Any other host than this machine's own needs a `token`."""
    token: Secret | None = None
    """Clients send it as `Authorization: Bearer <token>`; never shown. `file:/run/secrets/x` reads a file."""
    max_body_bytes: int = Field(default=20_000_000, ge=1000)
    """A longer request is answered 413."""
    public_url: str | None = None
    """How clients reach this box, such as `https://shop-1.example/edged`: addresses of artefacts in
    answers begin with it; without one they are `/artefacts/<id>`."""

    @field_validator("public_url")
    @classmethod
    def _whole(cls, url: str | None) -> str | None:
        if url is not None and not _PUBLIC.fullmatch(url):
            raise ValueError("want a URL of http or https, without user, query and fragment")
        return url.rstrip("/") if url is not None else None

    @model_validator(mode="after")
    def _closed_to_strangers(self) -> Self:
        token = self.token.get_secret_value() if self.token is not None else None
        if token is not None and (len(token) < SHORTEST_TOKEN or not _TOKEN.fullmatch(token)):
            raise ValueError(
                f"`token` wants at least {SHORTEST_TOKEN} characters of ASCII without spaces; "
                "`openssl rand -hex 24` makes one"
            )
        if token is None and (address := self.address) is not None and not address.is_loopback:
            raise ValueError(
                f"`listen: {self.listen}` opens HTTP to the network: give a `token`, or listen on 127.0.0.1"
            )
        return self

    @property
    def address(self) -> Listen | None:
        """Where to listen; none: HTTP is switched off."""
        return Listen.parse(self.listen) if self.listen is not None else None

    def artefact_address(self, id: str) -> str | None:
        """Where an artefact is given: whole, or a path of this server; none where there is neither."""
        if self.public_url is None and self.listen is None:
            return None
        return f"{self.public_url or ''}/artefacts/{id}"
