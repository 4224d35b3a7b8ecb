"""`edged events`: what happened before cameras and microphones, and what happens."""

from collections.abc import Iterator
from datetime import datetime
from http.client import HTTPResponse
from typing import Annotated, Any
from urllib.parse import urlencode

import orjson
import typer

from edged.cli.daemon_http import asked
from edged.cli.options import AsJson, ConfigPath, one_of
from edged.cli.terminal import end_unread, print_json, say, table
from edged.config import reading
from edged.config.settings import Config
from edged.contracts.errors import NotReady
from edged.counts.calendar import Calendar
from edged.wiring.counts import calendar_of

app = typer.Typer()

PATIENCE_S = 30.0
"""Twice as long as the daemon is ever silent."""
_COLUMNS = ("at", "stream", "event", "phase", "of", "what", "lasted", "why", "id")


@app.command()
def events(
    stream: Annotated[str, typer.Option(help="Of this stream alone.")] = "",
    rule: Annotated[str, typer.Option(help="Of this rule alone.")] = "",
    since: Annotated[str, typer.Option("--from", help="ISO 8601; local, unless it says otherwise.")] = "",
    until: Annotated[str, typer.Option("--to", help="Likewise; not included.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="The newest so many.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with those that come.")] = False,
    *,
    as_json: AsJson = False,
    config: ConfigPath,
) -> None:
    """List what happened before cameras and microphones; it asks the running daemon."""
    whole = reading.load(config)
    settings, calendar = whole.http, calendar_of(whole)
    fields = {"stream": stream, "rule": rule, "from": since, "to": until}
    query = {name: value for name, value in fields.items() if value}
    with asked(settings, _path(query, limit=limit), patience_s=PATIENCE_S) as answer:
        found: list[dict[str, Any]] = orjson.loads(answer.read())["events"][::-1]
    if not found:
        _check_names(whole, stream, rule)
    if not as_json:
        rows = [_row(event, calendar) for event in found]
        table("events, the newest last", _COLUMNS, rows, without="nothing has happened yet")
    elif follow:
        for event in found:
            print_json(event, indent=False)
    else:
        print_json(found)
    if follow:
        after = found[-1]["number"] if found else 0
        path = _path(query, after=after)
        with asked(settings, path, patience_s=PATIENCE_S, accept="text/event-stream") as answer:
            for event in _coming(answer):
                if as_json:
                    print_json(event, indent=False)
                else:
                    say("  ".join(cell for cell in _row(event, calendar) if cell))
        raise NotReady("the daemon has ended")


def _check_names(settings: Config, stream: str, rule: str) -> None:
    """Nothing is kept of what there is not; of what left the configuration there may be something."""
    if stream:
        one_of(settings.streams, "stream", stream)
    if rule:
        one_of(settings.rules, "rule", rule)


def _path(query: dict[str, str], **more: int) -> str:
    return f"/api/events?{urlencode({**query, **more})}"


def _coming(answer: HTTPResponse) -> Iterator[dict[str, Any]]:
    """The data of server-sent events, each on one line; the daemon says something every 15 s."""
    while line := answer.readline():
        end_unread()
        if line.startswith(b"data: "):
            event: dict[str, Any] = orjson.loads(line.removeprefix(b"data: "))
            yield event


def _row(event: dict[str, Any], calendar: Calendar) -> tuple[str, ...]:
    at = event["ended_at"] or event["began_at"]
    place = event["rule"] or event["line"] or event["zone"]
    facts = (event[key] for key in ("class", "track", "direction", "text"))
    return (
        calendar.iso(_seconds(at)).replace("T", " ")[:19] if at else "clock not set",
        event["stream"],
        event["event"],
        event["phase"],
        place or "-",
        " ".join(str(fact) for fact in facts if fact is not None) or "-",
        _lasted(event),
        event["reason"] or "",
        event["id"][:8],
    )


def _seconds(iso: str) -> float:
    return datetime.fromisoformat(iso).timestamp()


def _lasted(event: dict[str, Any]) -> str:
    if event["phase"] != "end" or not event["began_at"] or not event["ended_at"]:
        return ""
    return f"{_seconds(event['ended_at']) - _seconds(event['began_at']):.0f} s"
