"""How the commands talk to people: tables, progress bars and sentences, all on stderr."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from edged.contracts.slot import Report

console = Console(stderr=True, highlight=False)


def say(markup: str) -> None:
    """One line for people."""
    console.print(markup, soft_wrap=True)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table for people."""
    shown = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for position, column in enumerate(columns):
        shown.add_column(column, no_wrap=position == 0)  # a name is there to be copied
    for row in rows:
        shown.add_row(*(escape(str(cell)) for cell in row))
    console.print(shown)


def print_json(value: Any, indent: bool = True) -> None:
    """Data, on stdout."""
    option = orjson.OPT_INDENT_2 if indent else 0
    sys.stdout.buffer.write(orjson.dumps(value, option=option | orjson.OPT_SERIALIZE_NUMPY) + b"\n")
    sys.stdout.buffer.flush()


@contextmanager
def progress_bars() -> Iterator[Report]:
    """A bar for each task that reports; the bars stay when they are done."""
    columns = (TextColumn("{task.description:28}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        tasks: dict[str, TaskID] = {}

        def report(task: str, done: int, total: int) -> None:
            if task not in tasks:
                tasks[task] = progress.add_task(task, total=total)
            progress.update(tasks[task], completed=done, total=total)

        yield report


def default_config() -> Path:
    """config.yaml of this folder, else of the system, else the one that comes with edged."""
    packaged = Path(__file__).parent.parent / "config.yaml"
    checkout = Path(__file__).parent.parent.parent / "config.yaml"
    places = (Path("config.yaml"), Path("/etc/edged/config.yaml"), packaged, checkout)
    return next((place for place in places if place.is_file()), Path("config.yaml"))
