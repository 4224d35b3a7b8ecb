"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer


def default_config() -> Path:
    """config.yaml of this folder, else of the system, else the one that comes with edged."""
    packaged = Path(__file__).parent.parent / "config.yaml"
    checkout = Path(__file__).parent.parent.parent / "config.yaml"
    places = (Path("config.yaml"), Path("/etc/edged/config.yaml"), packaged, checkout)
    return next((place for place in places if place.is_file()), Path("config.yaml"))


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
