"""`edged fleet`: all nodes at a broker, those first that need attention."""

import logging
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from edged.cli.options import AsJson, ConfigPath, duration
from edged.cli.terminal import console, in_place, print_json, say, table
from edged.config import reading
from edged.contracts.errors import ConfigError
from edged.contracts.wording import plain
from edged.fleet.board import Board
from edged.fleet.lookout import Lookout
from edged.fleet.rows import NodeRow
from edged.mqtt.settings import MqttSettings
from edged.mqtt.tls import TlsSettings

app = typer.Typer()

EVERY_S = 2.0
"""Between two pictures of `--watch`."""
_NUMBERS = ("waiting", "p99 ms", "streams", "disk", "clock")
_COLUMNS = ("node", "standing", "version", "ready", "idle", "variants", *_NUMBERS, "attention")
_NARROW = ("node", "standing", "version", "attention")
_WIDE = 150
"""Columns of a terminal, from which all of ours leave room to read what wants attention."""
_MOST_TOLD = 3
"""Of what is wrong with a node, in the table."""


@app.command()
def fleet(
    url: Annotated[
        str,
        typer.Option(
            help="Another broker than that of config.yaml: mqtt://user:password@host, mqtts://host."
        ),
    ] = "",
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Again every 2 s, until Ctrl-C.")] = False,
    wait: Annotated[
        float,
        typer.Option(
            parser=duration,
            help="All is told once the broker has been silent for so long, e.g. 500ms.",
            metavar="DURATION",
        ),
    ] = "2s",  # type: ignore[assignment]
    *,
    as_json: AsJson = False,
    config: ConfigPath,
) -> None:
    """Show all nodes at the broker, as they tell of themselves; those first that need attention."""
    settings = broker(reading.load(config).mqtt, url)
    board = Board()
    with _looking(settings, board) as lookout:
        lookout.complete(wait)
        if not watch:
            _show(board.rows(), settings, as_json)
        elif not as_json and console.is_terminal:
            console.clear()
        while watch:
            with in_place():
                if (state := lookout.state()) != "running":
                    say(state, "red")
                _show(board.rows(), settings, as_json, indent=False)
            time.sleep(EVERY_S)


def broker(settings: MqttSettings, url: str) -> MqttSettings:
    """Those of the configuration, or of another broker: it gets the configured CA, but no password of ours.

    Raises `ConfigError`.
    """
    if not url:
        return settings
    tls = TlsSettings(ca=settings.tls.ca) if url.startswith("mqtts://") else TlsSettings()
    try:
        return MqttSettings(url=url, version=settings.version, tls=tls)
    except ValidationError as error:
        raise ConfigError(*(f"--url: {plain(fault)}" for fault in error.errors())) from None


@contextmanager
def _looking(settings: MqttSettings, board: Board) -> Iterator[Lookout]:
    logging.getLogger("edged.mqtt").setLevel(logging.ERROR)  # what it warns of is told once, by us
    lookout = Lookout(settings, board)
    lookout.start()
    try:
        yield lookout
    finally:
        lookout.stop()


def _show(rows: Sequence[NodeRow], settings: MqttSettings, as_json: bool, indent: bool = True) -> None:
    if as_json:
        print_json([row.model_dump() for row in rows], indent=indent)
        return
    cells = [_cells(row) for row in rows]
    columns: tuple[str, ...] = _COLUMNS
    if console.is_terminal and console.width < _WIDE:
        columns = _NARROW
        cells = [tuple(row[_COLUMNS.index(name)] for name in columns) for row in cells]
    table(_title(rows, settings), columns, cells)


def _title(rows: Sequence[NodeRow], settings: MqttSettings) -> str:
    standings = Counter(row.standing for row in rows)
    versions = Counter(row.version or "unknown" for row in rows)
    said = ", ".join(f"{number} {standing}" for standing, number in standings.items())
    of = ", ".join(f"{version} ({number})" for version, number in versions.most_common())
    nodes = "1 node" if len(rows) == 1 else f"{len(rows)} nodes"
    return f"{nodes} at {settings.address}{f': {said}; edged {of}' if rows else ''}"


def _cells(row: NodeRow) -> tuple[str, ...]:
    ready = [one for one in row.services if one.state == "ready"]
    waiting = [one for one in row.services if one.state in ("idle", "loading")]
    told = [*row.attention[:_MOST_TOLD]]
    if more := len(row.attention) - len(told):
        told.append(f"and {more} more")
    cells = (
        row.node,
        row.standing,
        row.version or "-",
        ", ".join(one.service for one in ready) or "-",
        str(len(waiting)),
        ", ".join(dict.fromkeys(f"{one.model} {one.variant}" for one in ready)) or "-",
        _or_dash(row.queued),
        _or_dash(row.p99_ms),
        f"{row.streams - len(row.streams_down)} of {row.streams}" if row.streams else "-",
        "-" if row.disk_free_bytes is None else f"{row.disk_free_bytes / 1e9:.1f} GB",
        row.clock or "-",
        "; ".join(told),
    )
    return tuple(map(_printable, cells))


def _or_dash(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


def _printable(said: Any) -> str:
    """Boxes are not strangers, but whoever may publish in their name must not write to this terminal."""
    return "".join(c if c.isprintable() else "\ufffd" for c in said)
