"""`edged mirror`: what `edged pull --from` takes, gathered where there is a network."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Annotated

import typer

from edged.cli.options import AcceptLicence, AllModels, AsJson, ConfigPath, place
from edged.cli.terminal import print_json, progress_bars, say, table
from edged.config import reading
from edged.contracts.card import ModelCard
from edged.contracts.errors import ConfigError, EdgedError
from edged.contracts.slot import Report
from edged.opening import make_puller
from edged.repository.catalogue import Catalogue
from edged.weights.mirror import Mirror, distinct

app = typer.Typer()


@dataclass(frozen=True, slots=True)
class Mirrored:
    """What became of a file."""

    file: str
    checksum: str
    model: str
    """Id of the first model that has it."""
    size: int | None
    """Bytes; none where nobody knows."""
    why_not: str | None = None
    """One sentence; none: it is there."""


@app.command()
def mirror(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="[MODEL]... TO", help="Ids of `edged models`, then a folder or s3://bucket/prefix."
        ),
    ],
    all_: AllModels = False,
    accept: AcceptLicence = False,
    as_json: AsJson = False,
    *,
    config: ConfigPath,
) -> None:
    """Copy all files that models need into a folder or a bucket, from where `pull --from` takes them.

    A file is taken from this machine where it is here, else from where its card says that it is, and checked.
    What is there already does not travel again. Goes on where a file cannot be had, and tells at the end
    which; exit status 1 when there was one.
    """
    *models, to = names
    settings = reading.load(config)
    if all_ == bool(models):
        raise ConfigError("name models, or say --all, and then where to: `edged mirror --all /media/stick`")
    catalogue = make_puller(settings).catalogue
    cards, closed = _wanted(catalogue, models or [card.id for card in catalogue.cards], accept)
    filled = Mirror(place(to, settings), settings.paths.models)
    outcomes = list(_filled(filled, cards))
    if as_json:
        print_json([asdict(outcome) for outcome in outcomes])
    _tell(outcomes, closed, to)
    if closed or any(outcome.why_not for outcome in outcomes):
        raise typer.Exit(1)


def _wanted(catalogue: Catalogue, names: list[str], accept: bool) -> tuple[list[ModelCard], list[ModelCard]]:
    """The models with those that they use, each once, and those among them whose licence is in the way."""
    ids = dict.fromkeys(other for name in names for other in (*catalogue.used(name), name))
    cards = [catalogue.card(one) for one in ids]
    closed = [] if accept else [card for card in cards if not card.licence.permissive]
    return [card for card in cards if card not in closed], closed


def _filled(mirror: Mirror, cards: list[ModelCard]) -> Iterator[Mirrored]:
    files = list(distinct(cards))
    sizes = [card.weights[name].size or 0 for card, name in files]
    with progress_bars() as report:
        bar = _Bar(report, sum(sizes))
        for (card, name), size in zip(files, sizes, strict=True):
            weights, why_not = card.weights[name], None
            try:
                mirror.add(card, name, bar.within(size))
            except EdgedError as error:
                why_not = str(error)
            bar.passed(size)
            yield Mirrored(name, weights.checksum, card.id, weights.size, why_not)


class _Bar:
    """All files together, in bytes."""

    def __init__(self, report: Report, total: int) -> None:
        self._report, self._total, self._done = report, total, 0

    def within(self, size: int) -> Report:
        """For one file, of so many bytes."""
        return lambda _, done, total: self._report("all files", self._done + min(done, size), self._total)

    def passed(self, size: int) -> None:
        """It is done, or cannot be had."""
        self._done += size
        self._report("all files", self._done, self._total)


def _tell(outcomes: list[Mirrored], closed: list[ModelCard], to: str) -> None:
    there = [outcome for outcome in outcomes if outcome.why_not is None]
    size = sum(outcome.size or 0 for outcome in there)
    say(f"{len(there)} of {len(outcomes)} files are in {to}, {size / 1e6:,.0f} MB", "bold")
    for card in closed:
        licence = card.licence
        say(
            f"{card.id}: the licence {licence.id} is not permissive ({licence.note}); read it, then run this "
            "with --accept-licence",
            "red",
        )
    if missing := [(o.file, o.model, o.why_not or "") for o in outcomes if o.why_not]:
        table(f"{len(missing)} files cannot be had", ("file", "model", "why not"), missing)
