"""`edged pull`, and what `edged run --pull` fetches: weights and what is derived of them."""

import logging
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from edged.cli.options import AcceptLicence, AllModels, AsJson, ConfigPath, place
from edged.cli.ownership import hand_over
from edged.cli.show import variants_table
from edged.cli.terminal import print_json, progress_bars, say, table
from edged.config import reading
from edged.config.settings import Config
from edged.contracts.errors import ConfigError, EdgedError, NotReady
from edged.opening import make_puller
from edged.repository.puller import Puller
from edged.serving.unit import named
from edged.weights.depot import Stock

log = logging.getLogger(__name__)
app = typer.Typer()


@dataclass(frozen=True, slots=True)
class Pulled:
    """What became of a model that was wanted."""

    model: str | None
    """Its id; none where no model can be named for a service."""
    service: str | None
    """Which it is for; none for a model that there is not."""
    had: bool
    why_not: str | None = None
    """One sentence that tells how it can be had, if it can; none: it was had."""


@app.command()
def pull(
    names: Annotated[list[str] | None, typer.Argument(metavar="MODEL", help="Ids of `edged models`.")] = None,
    default: Annotated[bool, typer.Option("--default", help="What config.yaml needs.")] = False,
    all_: AllModels = False,
    from_: Annotated[
        str | None,
        typer.Option("--from", help="Take the files from this folder, or s3://bucket/prefix, only."),
    ] = None,
    accept: AcceptLicence = False,
    as_json: AsJson = False,
    *,
    config: ConfigPath,
) -> None:
    """Fetch weights, check their SHA-256, derive the variants for this machine and measure them.

    Goes on where a model cannot be had, and tells at the end which; exit status 1 when there was one.
    """
    settings = reading.load(config)
    folder = None if from_ is None else place(from_, settings)
    pulls = _Pulls(make_puller(settings, apart=True), settings.paths.models, folder, accept)
    if all_:
        pulls.models(card.id for card in pulls.catalogue.cards)
    else:
        pulls.models(names or ())
        if default:
            pulls.needed(settings)
    if not (names or default or all_):
        raise ConfigError("name a model, or say --default or --all; `edged models` lists them")
    if as_json:
        print_json([asdict(outcome) for outcome in pulls.outcomes])
    pulls.tell()
    if not all(outcome.had for outcome in pulls.outcomes):
        raise typer.Exit(1)


def pull_missing(config: Path) -> None:
    """Pull what a configuration needs and is not there yet, as far as it takes to run.

    What cannot be had is told, and no more.
    """
    settings = reading.load(config)
    pulls = _Pulls(make_puller(settings), settings.paths.models, first=True)
    pulls.needed(settings)
    if not all(outcome.had for outcome in pulls.outcomes):
        pulls.tell()


class _Pulls:
    """Pulls models one by one, each after those that it uses, and remembers what became of them."""

    def __init__(
        self,
        puller: Puller,
        models: Path,
        folder: Stock | None = None,
        accept: bool = False,
        first: bool = False,
    ) -> None:
        """`first`: pass over what is installed, and make no more of the others than is needed to run."""
        self._puller = puller
        self.catalogue = puller.catalogue
        self._models = models
        self._folder = folder
        self._accept = accept
        self._first = first
        self._by_model: dict[str, Pulled] = {}
        self._unnamed: list[Pulled] = []

    @property
    def outcomes(self) -> list[Pulled]:
        """In the order in which they were tried."""
        return [*self._by_model.values(), *self._unnamed]

    def needed(self, settings: Config) -> None:
        """The models that the services and the `models:` sources of the streams need."""
        for name, service in settings.wanted_services().items():
            try:
                model, uses = named(name, service, self.catalogue)
                self.models([*(other for _, other in uses), model or self.catalogue.best(name)])
            except EdgedError as error:
                self._unnamed.append(_failed(None, name, str(error)))
        self.models(stream.model for stream in settings.streams.values() if stream.model)

    def models(self, names: Iterable[str]) -> None:
        """These models."""
        for name in names:
            if name not in self._by_model:
                self._by_model[name] = self._outcome(name)

    def tell(self) -> None:
        """What was had and what was not, where one sentence that is told already does not say it."""
        outcomes = self.outcomes
        if len(outcomes) < 2:
            return
        had = sum(outcome.had for outcome in outcomes)
        rows = [
            (o.model or "-", o.service or "-", "yes" if o.had else "no", o.why_not or "") for o in outcomes
        ]
        table(f"{had} of {len(outcomes)} models were had", ("model", "service", "had", "why not"), rows)

    def _outcome(self, name: str) -> Pulled:
        service = None
        try:
            service = self.catalogue.card(name).service
            self._pull(name)
        except EdgedError as error:
            return _failed(name, service, str(error))
        except Exception as error:
            log.exception("%s cannot be pulled", name)
            return _failed(name, service, f"{type(error).__name__}: {error}")
        return Pulled(name, service, had=True)

    def _pull(self, name: str) -> None:
        """Pull a model. Raises `NotReady` where its licence or a model that it uses is in the way."""
        card, used = self.catalogue.card(name), self.catalogue.used(name)
        self.models(used)
        if missing := [other for other in used if not self._by_model[other].had]:
            raise NotReady(f"it builds on {', '.join(missing)}, which could not be had")
        if self._first and self.catalogue.installed(name):
            return
        licence = card.licence
        say(f"{name}  {card.summary}  (licence of the weights: {licence.id})", "bold")
        if not licence.permissive and not self._accept:
            raise NotReady(
                f"the licence {licence.id} is not permissive ({licence.note}); read it, then run "
                f"`edged pull {name} --accept-licence`"
            )
        try:
            with progress_bars() as report:
                self._puller.pull(name, report, self._folder, first=self._first)
        except KeyboardInterrupt:
            say(f"{name}: stopped; run `edged pull {name}` again: it goes on from there", "red")
            raise
        finally:
            hand_over(self._models)
        if self._first:
            return
        if card.graphs:
            variants_table(self.catalogue, name)
        else:
            say(f"{name} builds on {', '.join(card.uses.values())}; it has no variants of its own")


def _failed(model: str | None, service: str | None, why: str) -> Pulled:
    say(f"{model or service}: {why}", "red")
    return Pulled(model, service, had=False, why_not=why)
