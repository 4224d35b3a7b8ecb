"""What is asked of every item, wherever it is answered."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from edged.config.settings import Config
from edged.contracts.errors import NotUsable
from edged.contracts.service import Service
from edged.contracts.services import service
from edged.requests.parse import validated
from edged.serving.unit import ServiceSettings

Format = Literal["parquet", "jsonl"]

_ASKED = ("model", "precision", "uses", "options", "pai_spelling")
"""Settings of a service that make its answers others."""
_PATIENCE_S = 86400
"""For a recording or a video, since nobody else waits."""


@dataclass(frozen=True)
class BulkQuestion:
    """It travels to every worker, without the secrets of the configuration."""

    name: str
    """Of the service."""
    wanted: ServiceSettings
    fields: Mapping[str, Any]
    """Of each request, beside its item."""
    settings: Config
    threads: int
    """Within one inference of one worker."""
    column: str | None
    """Of Parquet files with items."""

    @property
    def service(self) -> Service:
        """The service."""
        return service(self.name)

    @property
    def identity(self) -> dict[str, Any]:
        """What the answers depend on, but for the items."""
        asked = self.wanted.model_dump(mode="json", include=set(_ASKED))
        return {"service": self.name, **asked, "fields": dict(self.fields)}

    def request(self, id: str, text: str = "") -> dict[str, Any]:
        """The request for an item: for a text, or for the media that is brought as `upload:<id>`."""
        if self.service.media == "text":
            return {"id": id, **self.fields, "request_id": id, "first_sequence": text}
        patient = {} if self.service.media == "picture" else {"timeout_s": _PATIENCE_S}
        return {**patient, **self.fields, "request_id": id, "input": {"url": f"upload:{id}"}}

    @property
    def patience_s(self) -> float:
        """Of one item, seconds."""
        named = self.request("1", "text").get("timeout_s")
        return float(named or self.settings.requests.timeout_of(self.service))

    def check(self) -> None:
        """Raises `NotFound`, `NotUsable` for another service, `BadRequest` for wrong fields."""
        if self.service.media == "pictures":
            raise NotUsable(f"{self.name} compares two pictures, and in bulk every item is asked for itself")
        if self.service.makes_video:
            raise NotUsable(f"{self.name} makes a video of each item: ask `edged infer` of one at a time")
        validated(self.service, self.request("1", "text"))


def bare(settings: Config, name: str, wanted: ServiceSettings) -> Config:
    """What workers need of a configuration: no streams, no broker, none of their secrets."""
    paths = settings.paths
    at = {name: getattr(paths, name).absolute() for name in ("models", "state", "gallery")}
    return Config(
        paths=paths.model_copy(update={**at, "plugins": tuple(one.absolute() for one in paths.plugins)}),
        runtime=settings.runtime,
        requests=settings.requests,
        services={name: wanted},
    )
