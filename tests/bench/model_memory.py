"""What each installed model holds: `python -m tests.bench.model_memory [--models FOLDER] [MODEL]...`.

Each is the only configured one in a daemon of its own: at rest, after its first request, some seconds later
when what was freed has been given back, and at its peak. Memory of its own is anonymous; pages of files
(libraries, weights that are mapped) the system can take back. Resident sets, in MB.
"""

import argparse
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from conftest import ROOT
from edged.config.settings import Config
from edged.contracts.services import SERVICES
from edged.flow.footprint import PROC
from edged.opening import open_catalogue
from tests.bench.memory import MB, SETTLED_S, Peak, ask, daemon

COLUMNS = (
    "service",
    "model",
    "rest",
    "own",
    "files",
    "asked",
    "own",
    "files",
    "later",
    "own",
    "peak",
    "answer",
)


@dataclass(frozen=True, slots=True)
class Held:
    """By a process, bytes."""

    own: int
    """Of memory that is in no file."""
    files: int

    @property
    def all(self) -> int:
        """Resident set."""
        return self.own + self.files


def held_by(process: int) -> Held:
    """Now."""
    lines = (PROC / str(process) / "status").read_text().splitlines()
    of = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if line.endswith(" kB")}
    return Held(of["RssAnon"], of["RssFile"] + of["RssShmem"])


def main() -> None:
    """Print a table, a model a row as soon as it is measured in the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="services or models; none: all")
    parser.add_argument("--models", type=Path, default=ROOT / "models", help="where they were pulled to")
    parser.add_argument("--json", type=Path, help="what was measured, kept here after each model")
    options = parser.parse_args()
    table = Table(title="MB")
    for column in COLUMNS:
        table.add_column(column)
    kept: dict[str, list[str]] = {}
    for service, model in _installed(options.models):
        if options.names and not {service, model} & set(options.names):
            continue
        row = kept[f"{service}/{model}"] = _measured(service, model, options.models)
        table.add_row(*row)
        if options.json:
            options.json.write_text(json.dumps(kept, indent=1))
    Console(width=160).print(table)


def _installed(models: Path) -> list[tuple[str, str]]:
    """Services, each with the models of it that are installed."""
    catalogue = open_catalogue(Config.model_validate({"paths": {"models": str(models.absolute())}}))
    offered = [(card.service, card.id) for card in catalogue.cards if card.service in SERVICES]
    return sorted((service, model) for service, model in offered if catalogue.installed(model))


def _measured(service: str, model: str, models: Path) -> list[str]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with daemon(folder, models, {service: {"model": model}}) as (process, port), Peak(process) as peak:
            rest = held_by(process)
            code = ask(port, service, folder)
            asked = held_by(process)
            time.sleep(SETTLED_S)
            later = held_by(process)
    numbers = (
        rest.all,
        rest.own,
        rest.files,
        asked.all,
        asked.own,
        asked.files,
        later.all,
        later.own,
        max(peak.of.values()),
    )
    return [service, model, *(f"{number / MB:.0f}" for number in numbers), str(code)]


if __name__ == "__main__":
    main()
