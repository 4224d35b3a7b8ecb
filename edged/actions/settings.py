"""Actions of the configuration: who is told, of what, and how patiently."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, ConfigDict, field_validator, model_validator
from pydantic_core import PydanticCustomError

from edged.actions.rate import Rate, rate
from edged.contracts.errors import EdgedError
from edged.contracts.settings import LACKING, FromFolder, Seconds, Secret, Settings
from edged.media.dial import tls_context
from edged.media.policy import MAX_URL, web_place

Shared = Literal["text", "picture", "recording"]

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://\S", re.IGNORECASE)
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile(r"[\x20-\x7e\xa0-\xff]*")
_OURS = frozenset(
    {"connection", "content-length", "content-type", "host", "idempotency-key", "transfer-encoding"}
)
"""Headers that the box sets itself."""


class ActionSettings(Settings):
    """What is done when a rule says so: a message to a phone, or a call of a webhook. Its URL is a secret."""

    model_config = ConfigDict(hide_input_in_errors=True)

    notify: Secret | None = None
    """A URL of apprise, such as `ntfy://...`, `tgram://...`, `mailto://...` (`pip install 'edged[notify]'`);
    never shown. `file:/run/secrets/x` reads it from a file."""
    webhook: Secret | None = None
    """In the place of `notify`: an `http` or `https` URL, which gets each event as JSON by POST; in the local
    network too. Never shown; `file:` as above."""
    headers: Mapping[str, Secret] = {}
    """Of a webhook: more headers by name, such as `Authorization`; their values are never shown."""
    ca: FromFolder | None = None
    """Of a webhook: a PEM file of certificates to trust beside the system's."""
    share: tuple[Shared, ...] = ()
    """What leaves the box beside names and times: `text`, what was read or said; `picture`, a JPEG of the
    moment; `recording`, the address of the recording. Empty: nothing of it."""
    at_most: Annotated[Rate, BeforeValidator(rate)] = rate("10/1m")
    """So many messages within such a time. What comes beyond that is left out, and the next message says how
    many."""
    give_up: Seconds = 86400.0
    """A message is tried again until it has arrived, or is older than this."""
    timeout: Seconds = 10.0
    """For one try."""

    @field_validator("notify")
    @classmethod
    def _is_a_url(cls, url: Secret | None) -> Secret | None:
        text = "" if url is None else url.get_secret_value()
        if url is not None and (not _SCHEME.match(text) or len(text) > MAX_URL):
            raise ValueError("wants a URL of apprise, such as ntfy://ntfy.sh/my-topic")
        return url

    @field_validator("webhook")
    @classmethod
    def _is_of_the_web(cls, url: Secret | None) -> Secret | None:
        if url is None:
            return None
        if not url.get_secret_value().lower().startswith(("http://", "https://")):
            raise ValueError("wants a URL that begins with http:// or https://; for others there is `notify`")
        try:
            web_place(url.get_secret_value())
        except EdgedError as error:
            raise ValueError(str(error)) from None
        return url

    @field_validator("headers")
    @classmethod
    def _can_be_sent(cls, headers: Mapping[str, Secret]) -> Mapping[str, Secret]:
        for name, value in headers.items():
            if not _HEADER.fullmatch(name):
                raise ValueError("a name of a header has letters, digits and hyphens alone")
            if name.lower() in _OURS:
                raise ValueError(f"{name} is set by edged")
            if not _VALUE.fullmatch(value.get_secret_value()):
                raise ValueError(f"the value of {name} is one line of Latin letters")
        return headers

    @field_validator("ca")
    @classmethod
    def _can_be_trusted(cls, ca: FromFolder | None) -> FromFolder | None:
        try:
            if ca is not None:
                tls_context(ca)
        except OSError as error:
            raise ValueError(f"{ca}: {error.strerror or 'is no PEM file of certificates'}") from None
        return ca

    @model_validator(mode="after")
    def _goes_one_way(self) -> Self:
        either = "give either `notify`, a URL of apprise, or `webhook`, one of http or https"
        if self.notify is None and self.webhook is None:
            raise PydanticCustomError(LACKING, either)
        if self.notify is not None and self.webhook is not None:
            raise ValueError(either)
        if self.webhook is None and (self.headers or self.ca):
            raise ValueError("`headers` and `ca` are for webhooks")
        return self
