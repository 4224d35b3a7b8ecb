"""Where artefacts are kept, and how long."""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import ConfigDict, Field, field_validator

from edged.contracts.settings import Seconds, Secret, Settings

_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<rest>[^\s?#]+)")
_READ_ONLY = ("http", "https")

DriverOption = Secret | bool | int | float
"""What fsspec's drivers are given: each text may be a secret."""
DriverOptions = Mapping[str, DriverOption | Mapping[str, DriverOption | Mapping[str, DriverOption]]]
"""Three deep, as s3fs wants its `config_kwargs: {s3: {addressing_style: path}}`."""


class UploadSettings(Settings):
    """Files that clients send ahead of their requests, over HTTP."""

    max_bytes: int = Field(default=4_000_000_000, ge=1)
    """Of all of them, on the disk of `paths.state`: when they have more, the oldest are removed. One has at
    most `requests.video.max_bytes`."""
    max_age: Seconds = 7200.0
    """Older ones are removed; requests that wait for their turn must come to it sooner."""


class ArtefactSettings(Settings):
    """The store of artefacts: videos that requests and cameras leave."""

    model_config = ConfigDict(hide_input_in_errors=True)  # the options hold secrets

    url: str | None = None
    """Null: a folder beside the journal. Else `file:///folder`, or what fsspec has a driver for:
    `s3://bucket/prefix` (`pip install 'edged[s3]'`), `oss://bucket/prefix` (`pip install ossfs`)."""
    max_bytes: int = Field(default=5_000_000_000, ge=1)
    """Of a folder: when its artefacts have more, the oldest are removed. Other stores have rules of their
    own: nothing is ever removed there."""
    max_age: Seconds = 7 * 86400.0
    """Of a folder: older artefacts are removed."""
    options: DriverOptions = Field(default_factory=dict)
    """What fsspec's driver wants, such as `{key: "${KEY}", secret: file:/run/secrets/s3, endpoint_url: ...}`;
    never shown."""

    @field_validator("url")
    @classmethod
    def _reachable(cls, url: str | None) -> str | None:
        if url is None:
            return None
        found = _URL.fullmatch(url)
        if found is None or "::" in url or found["scheme"] in _READ_ONLY:
            raise ValueError(
                "want file:///folder, s3://bucket/prefix, or another URL that fsspec can write to"
            )
        if "@" in found["rest"].partition("/")[0]:
            raise ValueError("stands in answers, so user and password belong into `artefacts.options`")
        if found["scheme"] == "file" and not found["rest"].startswith("/"):
            raise ValueError("want an absolute folder: file:///srv/artefacts")
        return url.rstrip("/")

    @property
    def folder(self) -> Path | None:
        """The folder that `url` names; none where it names none, or another store."""
        if self.url is None or not self.url.startswith("file:"):
            return None
        return Path(unquote(urlsplit(self.url).path) or "/")


def plain(options: DriverOptions) -> dict[str, object]:
    """The options as a driver takes them."""
    return {name: _plain(value) for name, value in options.items()}


def _plain(value: object) -> object:
    if isinstance(value, Secret):
        return value.get_secret_value()
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    return value
