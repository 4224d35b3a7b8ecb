"""`edged pull` and `edged models`: the model repository."""

from pathlib import Path
from typing import Annotated

import typer

from edged import config as configuration
from edged.cli.terminal import default_config, print_json, progress_bars, say, table
from edged.config import Config
from edged.contracts.errors import ConfigError, NotReady
from edged.flow.counters import Counters
from edged.opening import open_repository
from edged.repository.repository import Repository
from edged.repository.variants import variants_of
from edged.runtimes.opening import split
from edged.serving.unit import named

app = typer.Typer()


@app.command()
def pull(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[MODEL]...", help="Ids of `edged models`.")
    ] = None,
    default: Annotated[bool, typer.Option("--default", help="What config.yaml needs.")] = False,
    all_: Annotated[bool, typer.Option("--all", help="Every model that a plugin offers.")] = False,
    from_: Annotated[
        Path | None, typer.Option("--from", help="Take the files from this folder only.")
    ] = None,
    accept: Annotated[
        bool, typer.Option("--accept-licence", help="Also weights with a restrictive licence.")
    ] = False,
    config: Annotated[Path | None, typer.Option(help="Path of config.yaml.")] = None,
) -> None:
    """Fetch weights, check their SHA-256, derive the variants for this machine and measure them."""
    settings = configuration.load(config or default_config())
    repository = open_repository(settings, Counters())
    wanted = list(names or [])
    if all_:
        wanted = [card.id for card in repository.cards]
    elif default:
        wanted += _wanted_models(settings, repository)
    if not wanted:
        raise ConfigError("name a model, or say --default or --all; `edged models` lists them")
    for name in _with_used(repository, wanted):
        _pull_one(repository, name, from_, accept)


def pull_wanted(path: Path) -> None:
    """Pull what a configuration needs and is not there yet."""
    settings = configuration.load(path)
    repository = open_repository(settings, Counters())
    for name in _with_used(repository, _wanted_models(settings, repository)):
        if not repository.installed(name):
            _pull_one(repository, name, None, accept=False)


def _wanted_models(settings: Config, repository: Repository) -> list[str]:
    """The models that the services and the `models:` sources of the streams need."""
    chosen = list[str]()
    for name, service in settings.wanted_services().items():
        model, uses = named(name, service, repository)
        chosen += [model or repository.best(name), *(other for _, other in uses)]
    sources = [s.source for s in settings.streams.values() if s.source.startswith("models:")]
    return list(dict.fromkeys(chosen + [s.removeprefix("models:").split("/")[0] for s in sources]))


def _with_used(repository: Repository, names: list[str]) -> list[str]:
    """The models, each after those that it uses."""
    return list(dict.fromkeys(one for name in names for one in (*repository.used(name), name)))


def _pull_one(repository: Repository, name: str, folder: Path | None, accept: bool) -> None:
    card = repository.card(name)
    licence = card.licence
    say(f"[bold]{name}[/]  {card.summary}  (licence of the weights: {licence.id})")
    if not licence.permissive and not accept:
        raise NotReady(
            f"{name}: the licence {licence.id} is not permissive ({licence.note}); "
            "read it, and say --accept-licence"
        )
    with progress_bars() as report:
        repository.pull(name, report, folder)
    if card.graphs:
        _variants_table(repository, name)
    else:
        say(f"{name} builds on {', '.join(card.uses.values())}; it has no variants of its own")


def _variants_table(repository: Repository, name: str) -> None:
    rows = [
        (
            v.variant,
            "-" if v.ms is None else f"{v.ms:.1f}",
            "-" if v.agreement is None else f"{v.agreement:.3f}",
            v.why_not,
        )
        for v in repository.variants(name)
    ]
    table(f"variants of {name} on this machine", ("variant", "ms", "agreement with f32", "why not"), rows)


@app.command()
def models(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
    config: Annotated[Path | None, typer.Option(help="Path of config.yaml.")] = None,
) -> None:
    """List the models that the plugins offer, and what is installed of them."""
    repository = open_repository(configuration.load(config or default_config()), Counters())
    facts = [
        {
            "model": card.id,
            "service": card.service,
            "rank": card.rank,
            "licence": card.licence.id,
            "installed": repository.installed(card.id),
            "verified": card.verified,
            "runtimes": sorted({split(variant)[0] for variant in variants_of(card)}),
            "variants": [v.variant for v in repository.variants(card.id) if v.derived],
            "uses": repository.used(card.id),
        }
        for card in repository.cards
    ]
    if as_json:
        print_json(facts)
        return
    columns = ("model", "service", "rank", "licence", "installed", "verified", "runtimes", "variants", "uses")
    table("models", columns, [[_cell(row[c]) for c in columns] for row in facts])


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, list) else str(value)
