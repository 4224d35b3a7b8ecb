"""Options that several commands have."""

from pathlib import Path
from typing import Annotated
from urllib.parse import unquote

import typer

from edged.config.settings import Config
from edged.weights.depot import Depot, Stock


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
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
