"""`edged pull` and `edged models`: the model repository."""

from pathlib import Path
from typing import Annotated

import typer

from edged import config as configuration
from edged.cli.terminal import default_config, print_json, progress_bars, say, table
from edged.config import Config
from edged.contracts.errors import ConfigError, NotReady
from edged.opening import make_puller, open_catalogue
from edged.pipeline.serve import named
from edged.repository.catalogue import Catalogue
from edged.repository.puller import Puller
from edged.repository.variants import variants_of
from edged.runtimes.opening import split

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
    puller = make_puller(settings)
    catalogue, wanted = puller.catalogue, list(names or [])
    if all_:
        wanted = [card.id for card in catalogue.cards]
    elif default:
        wanted += _wanted_models(settings, catalogue)
    if not wanted:
        raise ConfigError("name a model, or say --default or --all; `edged models` lists them")
    for name in _with_used(catalogue, wanted):
        _pull_one(puller, name, from_, accept)


def pull_wanted(path: Path) -> None:
    """Pull what a configuration needs and is not there yet."""
    settings = configuration.load(path)
    puller = make_puller(settings)
    catalogue = puller.catalogue
    for name in _with_used(catalogue, _wanted_models(settings, catalogue)):
        if not catalogue.installed(name):
            _pull_one(puller, name, None, accept=False)


def _wanted_models(settings: Config, catalogue: Catalogue) -> list[str]:
    """The models that the services and the `models:` sources of the streams need."""
    chosen = list[str]()
    for name, service in settings.wanted_services().items():
        model, uses = named(name, service, catalogue)
        chosen += [model or catalogue.best(name), *(other for _, other in uses)]
    sources = [s.source for s in settings.streams.values() if s.source.startswith("models:")]
    return list(dict.fromkeys(chosen + [s.removeprefix("models:").split("/")[0] for s in sources]))


def _with_used(catalogue: Catalogue, names: list[str]) -> list[str]:
    """The models, each after those that it uses."""
    return list(dict.fromkeys(one for name in names for one in (*catalogue.used(name), name)))


def _pull_one(puller: Puller, name: str, folder: Path | None, accept: bool) -> None:
    card = puller.catalogue.card(name)
    licence = card.licence
    say(f"[bold]{name}[/]  {card.summary}  (licence of the weights: {licence.id})")
    if not licence.permissive and not accept:
        raise NotReady(
            f"{name}: the licence {licence.id} is not permissive ({licence.note}); "
            "read it, and say --accept-licence"
        )
    with progress_bars() as report:
        puller.pull(name, report, folder)
    if card.graphs:
        _variants_table(puller.catalogue, name)
    else:
        say(f"{name} builds on {', '.join(card.uses.values())}; it has no variants of its own")


def _variants_table(catalogue: Catalogue, name: str) -> None:
    rows = [
        (
            v.variant,
            "-" if v.ms is None else f"{v.ms:.1f}",
            "-" if v.agreement is None else f"{v.agreement:.3f}",
            v.why_not,
        )
        for v in catalogue.variants(name)
    ]
    table(f"variants of {name} on this machine", ("variant", "ms", "agreement with f32", "why not"), rows)


@app.command()
def models(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
    config: Annotated[Path | None, typer.Option(help="Path of config.yaml.")] = None,
) -> None:
    """List the models that the plugins offer, and what is installed of them."""
    catalogue = open_catalogue(configuration.load(config or default_config()))
    facts = [
        {
            "model": card.id,
            "service": card.service,
            "rank": card.rank,
            "licence": card.licence.id,
            "installed": catalogue.installed(card.id),
            "verified": card.verified,
            "runtimes": sorted({split(variant)[0] for variant in variants_of(card)}),
            "variants": [v.variant for v in catalogue.variants(card.id) if v.derived],
            "uses": catalogue.used(card.id),
        }
        for card in catalogue.cards
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
