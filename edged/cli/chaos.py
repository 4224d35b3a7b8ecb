"""`edged chaos`: faults on purpose, against a daemon, a broker and cameras that are made for it."""

import signal
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any, get_args

import orjson
import typer

from edged import __version__
from edged.chaos.endured import COLUMNS, Endured, cells, together, verdict
from edged.chaos.subject import choose
from edged.cli.options import ConfigPath, duration
from edged.cli.terminal import progress_bars, say, table
from edged.config import reading
from edged.contracts.errors import ConfigError
from edged.requests.journal import Durability

app = typer.Typer()


@app.command()
def chaos(
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of all faults; many for a night.")] = 1,
    for_: Annotated[
        float, typer.Option("--for", parser=duration, help="About so long a round lasts.", metavar="DURATION")
    ] = "60s",  # type: ignore[assignment] # it is parsed
    only: Annotated[str, typer.Option(help="Faults, separated by commas; else all.")] = "",
    rate: Annotated[
        float, typer.Option(min=1, help="Requests a second; a third of what the box can do, if that is less.")
    ] = 50.0,
    durability: Annotated[
        str | None, typer.Option(help="memory, process or power; else as configured.")
    ] = None,
    json_: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")] = None,
    *,
    config: ConfigPath,
) -> None:
    """Try faults on this box: is each request answered, and how soon is all well again?

    Runs a daemon, a broker and cameras of its own in a temporary folder; yours are not touched, and of your
    configuration the models are copied. Exit status 1 where something did not hold.
    """
    from edged.chaos.round import chosen, measured_rate, play, ready  # noqa: PLC0415 - loads the MQTT client
    from edged.chaos.world import scratch_world  # noqa: PLC0415 - the same

    settings = reading.load(config)
    if json_ is not None and not json_.resolve().parent.is_dir():
        raise ConfigError(f"--json: there is no folder {json_.resolve().parent}")
    faults = chosen([name for name in only.split(",") if name])
    durability = durability or settings.requests.durability
    if durability not in get_args(Durability):
        raise ConfigError(f"--durability: want memory, process or power, not {durability!r}")
    tried = choose(settings)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: nothing is left behind
    with scratch_world(settings, tried, durability) as world:  # type: ignore[arg-type] # just checked
        ready(world)
        asked = measured_rate(world, rate)
        say(f"{tried.service} by {tried.model}, durability {durability}, {asked:.1f} requests a second")
        endured: list[Endured] = []
        with progress_bars() as report:
            for number in range(rounds):
                told = partial(report, f"round {number + 1} of {rounds}")
                endured = together(endured, play(world, faults, asked, for_, told))
        world.kept = any(one.broken for one in endured)
    facts = {"service": tried.service, "model": tried.model, "durability": durability, "rate": asked}
    _tell(endured, {**facts, "rounds": rounds}, json_)
    if world.kept:
        say(f"the daemon's log: {world.folder / 'daemon.log'}")
        raise typer.Exit(1)


def _tell(endured: Sequence[Endured], facts: dict[str, Any], file: Path | None) -> None:
    """The table and what to think of it, for people; the same as JSON in a file, where one is wanted."""
    table("faults", COLUMNS, [cells(one) for one in endured])
    if file is not None:
        faults, said = [asdict(one) for one in endured], verdict(endured)
        whole = {"version": __version__, **facts, "faults": faults, "verdict": said}
        file.write_bytes(orjson.dumps(whole, option=orjson.OPT_INDENT_2) + b"\n")
    say(verdict(endured), "bold")
