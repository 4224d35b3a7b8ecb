"""How the commands talk: tables, progress bars and sentences for people, on stderr; data on stdout.

Where nobody reads that any more, a command ends with 1 and says nothing.
"""

import select
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import orjson
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.segment import Segment, Segments
from rich.table import Table
from rich.text import Text

from edged.contracts.slot import Report

console = Console(stderr=True, highlight=False)
_GAP = 2
"""Blanks between two columns of a table."""


def say(text: str, style: str = "") -> None:
    """One line for people, as it is."""
    console.print(text, style=style, markup=False, soft_wrap=True)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, without: str = "") -> None:
    """A table for people, in which what has no blanks, such as a name, is never cut nor folded.

    A terminal that is too narrow for it gets the rows one below another; a pipe gets one line a row.
    `without`: what is said in its place where there are no rows, such as how to have some.
    """
    cells = [[" ".join(str(cell).split()) for cell in row] for row in rows]
    if without and not cells:
        say(without)
        return
    say(title, "bold")
    if not console.is_terminal:
        _print_lines([columns, *cells])
        return
    widths = _widths(columns, cells, console.width)
    if widths is None:
        _print_records(columns, cells)
        return
    shown = Table(box=None, pad_edge=False)
    for position, (column, width) in enumerate(zip(columns, widths, strict=True)):
        shown.add_column(column, width=width, no_wrap=position == 0)
    for row in cells:
        shown.add_row(*map(escape, row))
    console.print(shown)


def _widths(columns: Sequence[str], rows: Sequence[Sequence[str]], room: int) -> list[int] | None:
    """Widths at which the columns fit side by side, those with blanks folded; none where they do not."""
    texts = list(zip(columns, *rows, strict=True))
    widths = [max(map(cell_len, column)) for column in texts]
    folded = [max(cell_len(word) for text in column for word in [*text.split(), ""]) for column in texts]
    least = [widths[0], *folded[1:]]
    room -= (len(columns) - 1) * _GAP
    if sum(least) > room:
        return None
    while sum(widths) > room:
        widest = max(range(len(widths)), key=lambda i: (widths[i] > least[i]) * widths[i])
        widths[widest] -= 1
    return widths


def _print_lines(rows: Iterable[Sequence[str]]) -> None:
    kept = list(rows)
    widths = [max(map(cell_len, column)) for column in zip(*kept, strict=True)]
    for row in kept:
        say((" " * _GAP).join(map(set_cell_size, row, widths)).rstrip())


def _print_records(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    for first, *rest in rows:
        said = [f"{column}: {cell}" for column, cell in zip(columns[1:], rest, strict=True) if cell]
        say(first, "bold")
        console.print(Padding(escape("; ".join(said)), (0, 0, 0, 2), expand=False))


@contextmanager
def in_place() -> Iterator[None]:
    """What is said within takes the place of what the terminal shows, without a flicker, as far as it fits.

    On a pipe it comes after what was said before.
    """
    if not console.is_terminal:
        yield
        return
    with console.capture() as drawn:
        yield
    shown = console.render_lines(Text.from_ansi(drawn.get()), pad=True)[: console.height - 1]
    with console.capture() as lines:
        console.print(Segments(segment for line in shown for segment in (*line, Segment.line())), end="")
    console.file.write(f"\x1b[H{lines.get()}\x1b[J")
    console.file.flush()


def print_json(value: Any, indent: bool = True) -> None:
    """Data, on stdout."""
    option = orjson.OPT_INDENT_2 if indent else 0
    try:
        sys.stdout.buffer.write(orjson.dumps(value, option=option | orjson.OPT_SERIALIZE_NUMPY) + b"\n")
        sys.stdout.buffer.flush()
    except BrokenPipeError:  # here, so that no command takes it for a fault of whom it asks
        console.on_broken_pipe()


def end_unread() -> None:
    """End as a write would, where whoever read stdout has left: `| head -1`."""
    pipe = select.poll()
    pipe.register(sys.stdout, 0)
    if any(seen & select.POLLERR for _, seen in pipe.poll(0)):
        console.on_broken_pipe()


@contextmanager
def progress_bars(rate: str = "") -> Iterator[Report]:
    """A bar for each task that reports; the bars stay when they are done. `rate`: show how many of these."""
    from rich.progress import (  # noqa: PLC0415 - few commands take long
        BarColumn,
        Progress,
        ProgressColumn,
        Task,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
    )

    class RateColumn(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{speed:.1f} {rate}" if rate and speed else "")

    columns = (TextColumn("{task.description:28}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    shown = (*columns, *([RateColumn()] if rate else []), TimeRemainingColumn())
    tasks: dict[str, TaskID] = {}
    with ExitStack() as bars:
        progress = Progress(*shown, console=console)

        def report(task: str, done: int, total: int) -> None:
            if not tasks:  # bars without a task are an empty line
                bars.enter_context(progress)
            if task not in tasks:
                tasks[task] = progress.add_task(task, total=total)
            progress.update(tasks[task], completed=done, total=total)

        yield report
