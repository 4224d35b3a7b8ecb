"""`edged tune`: measure the variants of models again, as `edged pull` does once."""

from typing import Annotated

import typer

from edged.cli.options import AsJson, ConfigPath
from edged.cli.ownership import hand_over
from edged.cli.show import variants_table
from edged.cli.terminal import print_json, progress_bars, say
from edged.config import reading
from edged.contracts.errors import EdgedError
from edged.opening import make_puller

app = typer.Typer()


@app.command()
def tune(
    names: Annotated[list[str], typer.Argument(metavar="MODEL", help="Of `edged models`, installed.")],
    full: Annotated[
        bool, typer.Option("--full", help="Compare their answers on all items, whatever the card tells.")
    ] = False,
    as_json: AsJson = False,
    *,
    config: ConfigPath,
) -> None:
    """Measure the variants of models on this machine again: speed, memory, and how far they are from f32."""
    settings = reading.load(config)
    puller = make_puller(settings)
    failed = False
    for name in names:
        try:
            with progress_bars() as report:
                puller.tune(name, report, full)
        except EdgedError as error:
            failed = True
            say(f"{name}: {error}", "red")
            continue
        finally:
            hand_over(settings.paths.models)
        if not as_json:
            variants_table(puller.catalogue, name)
    if as_json:
        known = {card.id for card in puller.catalogue.cards}
        print_json({n: [row.facts() for row in puller.catalogue.variants(n)] for n in names if n in known})
    if failed:
        raise typer.Exit(1)
