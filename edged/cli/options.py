"""Options that several commands have."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, TypeVar
from urllib.parse import unquote

import typer

from edged.config.settings import Config
from edged.contracts.card import Precision
from edged.contracts.errors import ConfigError
from edged.contracts.settings import seconds
from edged.contracts.spelling import hint
from edged.serving.unit import ServiceSettings
from edged.weights.depot import Depot, Stock

T = TypeVar("T")


def duration(text: str) -> float:
    """Seconds of what an option says. Raises `BadParameter`."""
    try:
        return float(str(seconds(text)))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no duration; write 15s, 2m or 1h") from None


def one_of(known: Mapping[str, T], what: str, name: str) -> T:
    """What the configuration has under that name. Raises `ConfigError` for `what` there is not."""
    if name not in known:
        there_are = f"there are {', '.join(known) or 'none'}"
        raise ConfigError(f"no {what} is called {name!r}; {hint(name, known, there_are)}")
    return known[name]


def preferring(settings: Config, service: str, **asked: str | None) -> ServiceSettings:
    """How a service is fulfilled: as configured, but for what was asked for on the command line."""
    said = {name: value for name, value in asked.items() if value is not None}
    return settings.service(service).model_copy(update=said)


def default_config() -> Path:
    """config.yaml of this folder, else of the system, else the one that comes with edged."""
    packaged = Path(__file__).parent.parent / "config.yaml"
    checkout = Path(__file__).parent.parent.parent / "config.yaml"
    places = (Path("config.yaml"), Path("/etc/edged/config.yaml"), packaged, checkout)
    return next((place for place in places if place.is_file()), Path("config.yaml"))


def place(said: str, settings: Config) -> Stock:
    """A folder, or a prefix in a store: `file:///folder`, `s3://bucket/prefix`.

    A store of the same kind as `artefacts.url` is opened with `artefacts.options`, another one as its driver
    finds its keys. Raises `ConfigError`.
    """
    if "://" not in said:
        return Path(said)
    kind, _, rest = said.partition("://")
    if kind == "file":
        return Path("/", unquote(rest))
    artefacts = settings.artefacts
    same = (artefacts.url or "").partition("://")[0] == kind
    return Depot(said, artefacts.options if same else {})


ConfigPath = Annotated[
    Path,
    typer.Option(
        "--config",
        "-c",
        default_factory=default_config,
        show_default="of this folder, else of the system",
        help="Path of config.yaml.",
    ),
]
ModelId = Annotated[str | None, typer.Option("--model", help="Id of the model; else as configured.")]
PrecisionName = Annotated[Precision | None, typer.Option("--precision", help="Else as configured.")]
DeviceName = Annotated[
    str | None, typer.Option("--device", help="One of `edged devices`; else as configured.")
]
AllModels = Annotated[bool, typer.Option("--all", help="Every model that a plugin offers.")]
AcceptLicence = Annotated[
    bool, typer.Option("--accept-licence", help="Also weights with a restrictive licence.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
