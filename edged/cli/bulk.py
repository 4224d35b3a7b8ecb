"""`edged bulk`: many items in, a file of answers a batch out, on this machine or on a Ray cluster."""

import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Any

import orjson
import typer

from edged.bulk.again import Again, failed_again
from edged.bulk.batches import Batch, batches
from edged.bulk.here import answer_here
from edged.bulk.listing import pieces
from edged.bulk.question import BulkQuestion, Format, bare
from edged.bulk.results import Reckoning, Results, form_of
from edged.cli.options import ConfigPath, DeviceName, ModelId, PrecisionName, preferring
from edged.cli.terminal import progress_bars, say, table
from edged.config import reading
from edged.config.settings import Config
from edged.contracts.errors import BadRequest, StoreFailed
from edged.contracts.services import service
from edged.opening import open_catalogue
from edged.runtimes.devices import Concurrency, share_out, usable_cores
from edged.serving.unit import ServiceSettings, named

app = typer.Typer()

_Items = Annotated[
    list[str],
    typer.Argument(
        metavar="ITEM",
        help="URLs, globs or folders of any store that fsspec knows, or paths; quote globs. Of texts each "
        "line is an item.",
    ),
]
_Option = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="A field of each request; several may be given."),
]


@dataclass(frozen=True)
class _Way:
    """By whom it is answered, and in which column the items are."""

    ray: str | None
    workers: int | None
    """As they were asked for."""
    share: Concurrency
    """Of the cores of this machine."""
    column: str | None
    again: Again | None
    """What is done and yet asked."""


@app.command()
def bulk(
    name: Annotated[str, typer.Argument(metavar="SERVICE", help="One of `edged services`.")],
    given: _Items,
    to: Annotated[
        str, typer.Option(help="Folder or prefix of the answers, such as results/ or s3://shop/out.")
    ],
    column: Annotated[
        str | None, typer.Option(help="ITEMS are Parquet: the column of URLs, of bytes, or of texts.")
    ] = None,
    form: Annotated[
        Format | None,
        typer.Option("--format", help="Of the answers; else by the ending of --to, else Parquet."),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="auto|local|ADDRESS", help="Answer on this Ray cluster; `local`: one of its own."
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=4096, help="At a time; else as many as there are cores for.")
    ] = None,
    model: ModelId = None,
    precision: PrecisionName = None,
    device: DeviceName = None,
    option: _Option = None,
    again: Annotated[
        Again | None,
        typer.Option(help="Ask the items that failed once more; new rows take the place of theirs."),
    ] = None,
    *,
    config: ConfigPath,
) -> None:
    """Answer many items: one row each with its URL, its answer or its error. What is done stays done.

    A run that was ended goes on with the same command. What failed is done, too, but for
    `--again failed`. Exit status 1 when not one item got an answer.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: no batch is left half done
    settings = reading.load(config)
    way = _Way(ray, workers, _share(settings, None if ray else workers), column, again)
    wanted = preferring(settings, service(name).name, model=model, precision=precision, device=device)
    files = _bare(settings, name, wanted)
    question = BulkQuestion(name, wanted, _fields(option or []), files, way.share.threads, column)
    question.check()
    _answer(question, given, Results(to, form_of(to, form)), way)


def _bare(settings: Config, name: str, wanted: ServiceSettings) -> Config:
    """As `bare`; a misspelt model is told before there is a folder of answers."""
    if wanted.model is not None:
        named(name, wanted, open_catalogue(settings))
    return bare(settings, name, wanted)


def _share(settings: Config, workers: int | None) -> Concurrency:
    return share_out(usable_cores(), workers or settings.runtime.workers)


def _fields(given: Sequence[str]) -> dict[str, Any]:
    """Values are JSON where they can be, else texts."""
    fields: dict[str, Any] = {}
    for one in given:
        name, is_there, value = one.partition("=")
        if not is_there or not name:
            raise BadRequest(f"--option wants NAME=VALUE, and not {one!r}")
        try:
            fields[name] = orjson.loads(value)
        except orjson.JSONDecodeError:
            fields[name] = value
    return fields


def _answer(question: BulkQuestion, given: Sequence[str], results: Results, way: _Way) -> None:
    with results.taken(question):
        there = results.there()
        done = dict(chain.from_iterable(there.values()))
        found = pieces(given, question.service.media, question.column, results.url)
        todo = batches(found, question.service.media, done, question.identity)
        if way.again is not None:
            todo += failed_again(found, there)
        asked = {piece.url for batch in todo for piece in batch.pieces}
        before = [done[piece.url] for piece in found if piece.url not in asked]
        began = time.monotonic()
        tally = _worked(question, results, todo, way) if todo else Reckoning()
        _check_there(results, todo)
        seconds = time.monotonic() - began
    _tell(tally, before, seconds)
    if not tally.answered and not any(before):
        raise typer.Exit(1)


def _worked(question: BulkQuestion, results: Results, todo: Sequence[Batch], way: _Way) -> Reckoning:
    tally, total = Reckoning(), sum(len(batch.pieces) for batch in todo)
    with progress_bars(rate="items/s") as report:

        def told(more: Reckoning) -> None:
            nonlocal tally
            tally += more
            report(question.name, sum(tally), total)

        report(question.name, 0, total)
        if way.ray is None:
            answer_here(question, results, todo, told, workers=way.share.workers)
        else:
            from edged.bulk.on_ray import answer_on_ray  # noqa: PLC0415 - who does without needs none of it

            answer_on_ray(question, results, todo, told, address=way.ray, workers=way.workers)
    return tally


def _check_there(results: Results, todo: Sequence[Batch]) -> None:
    missing = {batch.name for batch in todo} - results.names()
    if missing:
        raise StoreFailed(
            f"{len(missing)} of {len(todo)} files are not there: do all machines of the cluster share that "
            "folder? The same command asks for the rest"
        )


def _tell(tally: Reckoning, before: Sequence[bool], seconds: float) -> None:
    rate = f"{sum(tally) / seconds:.1f}" if sum(tally) else ""
    row = (sum(tally) + len(before), len(before), tally.answered, tally.failed, f"{seconds:.1f}", rate)
    table("items", ("all", "done before", "answered", "failed", "seconds", "items/s"), [row])
    if tally.failed:
        say("the column `error` of the answers says why those failed", "yellow")
