"""`edged quantize`: int8 of a model calibrated on the user's own camera, and undone by the same command."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from edged.cli.options import AsJson, ConfigPath, duration
from edged.cli.own_items import Given, given
from edged.cli.ownership import hand_over
from edged.cli.terminal import print_json, progress_bars, say, table
from edged.config import reading
from edged.contracts.card import ModelCard
from edged.contracts.errors import ConfigError, NotReady, RepositoryError, SourceError, VariantError
from edged.contracts.services import any_service
from edged.derive.manifest import Measured, Own
from edged.opening import make_puller
from edged.repository.catalogue import Catalogue
from edged.repository.puller import Puller
from edged.repository.recalibration import FEWEST, Judged, can_be_quantized, restore
from edged.serving.voice import VOICE
from edged.streams.taking import Portion, Taken

app = typer.Typer()
_STEPS = 1000
_RESTART = "a running daemon takes it when it opens the model next: restart it"


@app.command()
def quantize(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="One of `edged models`.")],
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="SOURCE",
            help="`stream:NAME` of the configuration, a folder or a file: pictures, video, sound, .txt.",
        ),
    ] = None,
    frames: Annotated[
        int, typer.Option(min=FEWEST, max=1000, help="So many frames, clips or texts, at most.")
    ] = 300,
    over: Annotated[
        str, typer.Option(metavar="TIME", help="A camera is watched for so long, such as 90s, 5m or 1h.")
    ] = "5m",
    undo: Annotated[bool, typer.Option("--undo", help="Put back what the model had before.")] = False,
    as_json: AsJson = False,
    *,
    config: ConfigPath,
) -> None:
    """Calibrate int8 of a model on what your own camera shows, and take it where it is as good as f32.

    Half of the frames calibrate, the other half judges; none of them is kept. Exit status 1 when nothing was
    taken; then, and when it is interrupted, all stays as it was.
    """
    settings = reading.load(config)
    puller = make_puller(settings)
    card = puller.catalogue.card(model)
    try:
        if undo:
            done: Mapping[str, Any] = _undone(card, puller)
        else:
            source = given(_checked(card, from_, puller.catalogue), settings, puller.catalogue)
            done = _quantized(card, source, Portion(frames, _duration(over)), puller)
    except KeyboardInterrupt:
        say("interrupted; nothing was changed")
        raise
    except OSError as error:
        raise RepositoryError(f"{error.strerror or error}: {error.filename or 'models'}") from error
    finally:
        hand_over(settings.paths.models)
    if as_json:
        print_json(done)
    if not done["changed"]:
        raise typer.Exit(1)


def _checked(card: ModelCard, source: str | None, catalogue: Catalogue) -> str:
    if why := can_be_quantized(card):
        can = ", ".join(sorted(other.id for other in catalogue.cards if not can_be_quantized(other)))
        raise VariantError(f"{why}; these can be quantized: {can}")
    if source is None:
        raise ConfigError("say on what: --from stream:NAME, or --from with a folder or a file")
    if not catalogue.up_to_date(card.id):
        raise NotReady(f"{card.id} is not installed; run `edged pull {card.id}`")
    return source


def _duration(text: str) -> float:
    try:
        found = duration(text)
    except typer.BadParameter:
        found = 0.0
    if not 0 < found <= 7 * 86400:
        raise ConfigError(f"--over is a time such as 90s, 5m or 1h, not {text!r}")
    return found


def _quantized(card: ModelCard, source: Given, portion: Portion, puller: Puller) -> dict[str, Any]:
    taken = _taken(card, source, portion, puller)
    day = datetime.now(UTC).date().isoformat()
    own = Own(source=source.name, items=len(taken.items), day=day)
    with progress_bars() as report:
        judged = puller.calibrate(card.id, taken.items, own, report)
    _tell(card, own, judged, puller.catalogue)
    return {
        "model": card.id,
        "from": own.model_dump(mode="json", include={"source", "items", "day"}),
        "alike": taken.alike,
        "damaged": taken.damaged,
        "changed": any(not verdict.why_not for verdict in judged.verdicts),
        "reference": judged.reference,
        "variants": [
            {
                "variant": verdict.variant,
                "taken": not verdict.why_not,
                "why_not": verdict.why_not,
                "before": _figures(verdict.before),
                "after": _figures(verdict.after),
            }
            for verdict in judged.verdicts
        ],
        "others": {side.variant: _figures(one) for side, one in _others(judged)},
    }


def _taken(card: ModelCard, source: Given, portion: Portion, puller: Puller) -> Taken:
    needs_voice = any_service(card.service).media == "recording"
    with progress_bars() as report, puller.part(card.id, VOICE if needs_voice else "") as voice:

        def told(share: float) -> None:
            report(f"{card.id}: look at {source.name}", round(_STEPS * share), _STEPS)

        told(0.0)
        taken = source.take(card, portion, told, voice)
        told(1.0)
    left_out = f"{taken.alike} were left out as like the one before, {taken.damaged} as damaged"
    if len(taken.items) < FEWEST:
        raise SourceError(
            f"{source.name} gave {len(taken.items)} items, and {FEWEST} are wanted at least; {left_out}. Let "
            "a camera look for longer (`--over 1h`), while something moves. Nothing was changed"
        )
    say(f"{len(taken.items)} items of {source.name}, in memory only: none of them is kept; {left_out}")
    return taken


def _tell(card: ModelCard, own: Own, judged: Judged, catalogue: Catalogue) -> None:
    columns = ("variant", "calibrated on", "ms", "agreement with f32", "taken")
    title = f"{card.id} on what it was not calibrated on of {own.source}"
    table(title, columns, _rows(own, judged))
    for row in catalogue.variants(card.id):
        if row.own and row.why_not:
            say(f"`precision: auto` passes {row.variant} over: {row.why_not}")
    chosen = catalogue.choice(card.id)
    say(f"`precision: auto` takes {chosen}; `edged quantize {card.id} --undo` puts back what was before")
    if any(not verdict.why_not for verdict in judged.verdicts):
        say(_RESTART)


def _rows(own: Own, judged: Judged) -> Iterator[tuple[str, ...]]:
    for side, one in _others(judged):
        yield (side.variant, "-", *_cells(one), one.why_not)
    for verdict in judged.verdicts:
        if verdict.before is not None:
            yield (verdict.variant, "as before", *_cells(verdict.before), verdict.before.why_not)
        yield (verdict.variant, own.source, *_cells(verdict.after), verdict.why_not or "yes")


def _others(judged: Judged) -> list[tuple[Any, Measured]]:
    """What takes part beside int8."""
    int8 = {verdict.variant for verdict in judged.verdicts}
    return [(side, one) for side, one in judged.by_side.items() if side.variant not in int8]


def _cells(one: Measured | None) -> tuple[str, str]:
    if one is None or one.ms is None:
        return "-", "-"
    surely = "" if one.at_least is None else f", surely {one.at_least:.3f}"
    return f"{one.ms:.1f}", "-" if one.agreement is None else f"{one.agreement:.3f}{surely}"


def _figures(one: Measured | None) -> dict[str, Any] | None:
    return (
        None
        if one is None
        else one.model_dump(mode="json", include={"ms", "agreement", "at_least", "why_not"})
    )


def _undone(card: ModelCard, puller: Puller) -> dict[str, Any]:
    again = restore(card, puller.catalogue.root / card.id)
    if again:
        say(f"{card.id}: {', '.join(again)} is derived again")
        with progress_bars() as report:
            puller.pull(card.id, report, variants=again)
    say(f"{card.id} has what its card gives again; {_RESTART}")
    return {"model": card.id, "changed": True, "derived_again": again}
