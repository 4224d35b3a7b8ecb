"""`edged new-plugin` and `edged test-plugin`: for those who write plugins."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from edged.cli.options import AcceptLicence, AsJson, ConfigPath
from edged.cli.terminal import print_json, progress_bars, say, table
from edged.config import reading
from edged.contracts.errors import ConfigError, NotFound
from edged.contracts.service import Media
from edged.contracts.services import service as service_of
from edged.contracts.spelling import hint
from edged.opening import open_plugins
from edged.scaffold import CONFIG, new_plugin
from edged.testing import tried

app = typer.Typer()

_ITEMS: Mapping[Media, str] = {
    "picture": "photo.jpg",
    "pictures": "photo.jpg other.jpg",
    "recording": "recording.wav",
    "text": '"a text"',
}
"""What may be given to `edged infer`; requests of videos are not answered yet."""


@app.command("new-plugin")
def new(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="Id of the model and name of the folder, such as my-detector."),
    ],
    service: Annotated[str, typer.Option(help="One of `edged services`.")],
    into: Annotated[Path, typer.Option(help="The folder of plugins to write it into.")] = Path("plugins"),
    *,
    config: ConfigPath,
) -> None:
    """Write a plugin that works at once, for you to put your own graph into."""
    settings = reading.load(config)
    known = open_plugins(settings)
    if name in known.sources:
        raise ConfigError(f"the model {name!r} is there already, in {known.sources[name]}; take another name")
    folder = new_plugin(name, service, into, settings.paths.models, settings.paths.state)
    found = name in open_plugins(settings).sources
    say(f"{folder} is written and works as it stands. Next:", "bold")
    for command in _next(name, service, folder, None if found else folder / CONFIG):
        say(f"  {command}")


def _next(name: str, service: str, folder: Path, config: Path | None) -> tuple[str, str, str]:
    """The three commands that come next; `config`: where one must be named for the plugin to be found."""
    named = f" -c {config}" if config else ""
    known = service_of(service)
    save = " --save out.png" if known.takes_pictures else ""
    asked = f"edged infer {service} {_ITEMS.get(known.media)} --model {name}{save}{named}"
    return (
        f"edged test-plugin {folder}",
        f"edged pull {name}{named}",
        asked if known.media in _ITEMS else f"edged schema {service}",
    )


@app.command("test-plugin")
def test(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of the plugin.")],
    given: Annotated[
        list[str] | None,
        typer.Argument(help="As of `infer`, to try it on; else something made up.", metavar="ITEM"),
    ] = None,
    accept: AcceptLicence = False,
    as_json: AsJson = False,
    *,
    config: ConfigPath,
) -> None:
    """Try a plugin as the daemon would use it, and more strictly; exit status 1 when a check fails."""
    settings = reading.load(config)
    if not folder.is_dir():
        siblings = [place.name for place in _around(folder)]
        there_are = f"{folder.parent} has no folder that is called so"
        raise NotFound(f"there is no folder {folder}; {hint(folder.name, siblings, there_are)}")
    with progress_bars() as report:
        rows = list(tried(folder, settings, given=given or (), accept_licence=accept, report=report))
    table(
        f"checks of {folder}",
        ("model", "check", "result", "what was seen", "what to do"),
        [(row.model, row.check, row.result, row.said, row.fix) for row in rows],
    )
    if as_json:
        print_json([asdict(row) for row in rows])
    if any(row.result == "failed" for row in rows):
        raise typer.Exit(1)


def _around(folder: Path) -> Iterator[Path]:
    """The folders that lie where it was looked for."""
    if folder.parent.is_dir():
        yield from (place for place in folder.parent.iterdir() if place.is_dir())
