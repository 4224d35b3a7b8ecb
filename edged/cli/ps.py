"""`edged ps`: what a running daemon has in memory."""

from typing import Any

import orjson
import typer

from edged.cli.daemon_http import asked
from edged.cli.options import AsJson, ConfigPath
from edged.cli.terminal import print_json, table
from edged.config import reading

app = typer.Typer()

PATIENCE_S = 10.0
_COLUMNS = ("service", "model", "state", "stays", "opened", "now", "most", "up", "asked", "last")


@app.command()
def ps(as_json: AsJson = False, *, config: ConfigPath) -> None:
    """Show the services that the running daemon has in memory, since when, and how often they were asked.

    `opened`: what their loading took; `now`: with what their work took; `most`: at its peak.
    """
    with asked(reading.load(config).http, "/api/status", patience_s=PATIENCE_S) as answer:
        told: dict[str, Any] = orjson.loads(answer.read())
    services: list[dict[str, Any]] = told["services"]
    here = [facts for facts in services if facts["up_s"] is not None or facts["state"] == "loading"]
    if as_json:
        print_json(here)
        return
    table(_title(told), _COLUMNS, [_row(facts) for facts in here])


def _title(told: dict[str, Any]) -> str:
    whole, most, beside = (
        _size(told[key] or None) for key in ("memory_bytes", "memory_most_bytes", "memory_beside_bytes")
    )
    title = f"services in memory; the daemon holds {whole} in all, {most} at its peak"
    return title if beside == "-" else f"{title}; {beside} came while several worked, or none"


def _row(facts: dict[str, Any]) -> tuple[str, ...]:
    return (
        facts["service"],
        facts["model"] or "-",
        facts["state"],
        "yes" if facts["pinned"] else "no",
        _size(facts["memory_opened_bytes"]),
        _size(facts["memory_bytes"]),
        _size(facts["memory_most_bytes"]),
        _ago(facts["up_s"]),
        str(facts["asked"]),
        _ago(facts["asked_s"]) if facts["asked"] else "-",
    )


def _size(held: int | None) -> str:
    """Approximate, as it is measured."""
    return "-" if held is None else f"~{held / 1e6:.0f} MB"


def _ago(seconds: float | None) -> str:
    """`12 s`, `3 min`, `5 h`."""
    if seconds is None:
        return "-"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
