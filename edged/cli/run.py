"""`edged run`: the daemon in the foreground."""

import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Annotated

import typer

from edged import log
from edged.cli.options import ConfigPath, duration
from edged.cli.pull import pull_missing
from edged.cli.terminal import say, table
from edged.flow.counters import Counters
from edged.jsonl import JsonLines

if TYPE_CHECKING:
    from edged.daemon import Daemon

app = typer.Typer()

SETTLED_S = 120.0
"""Wait at most so long for the models to open before the services are shown."""
BROKER_S = 10.0
"""And so long for the broker."""


@app.command()
def run(
    *,
    config: ConfigPath,
    for_: Annotated[
        float | None, typer.Option("--for", parser=duration, help="End after 15s, 2m, ...")
    ] = None,
    pull: Annotated[
        bool,
        typer.Option("--pull", help="First fetch the models that are missing; complete them as it runs."),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print no results on stdout.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log more.")] = False,
) -> None:
    """Run the daemon: prints every result message as one JSON line, and a summary at the end."""
    log.set_up(verbose)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # the first process of a container has no default
    if pull:
        pull_missing(config)
    counters = Counters()
    lines = JsonLines(counters)
    from edged.daemon import Daemon  # noqa: PLC0415 - the other commands do without its servers

    daemon = Daemon(config, counters, () if quiet else (lines,), prepares=pull)
    daemon.handle_signals()
    lines.start()
    threading.Thread(target=_introduce, args=(daemon,), name="introduce", daemon=True).start()
    try:
        daemon.run(for_)
    finally:
        lines.stop()
        _summary(daemon)


def _introduce(daemon: "Daemon") -> None:
    """Show what is served and where to listen, once the models are open."""
    settings, units = daemon.config, daemon.core.units
    wanted = [f"service/{name}" for name in settings.wanted_services()]
    ends_at, patient_until = time.monotonic() + SETTLED_S, time.monotonic() + BROKER_S
    daemon.begun.wait(SETTLED_S)
    while time.monotonic() < ends_at:
        states = units.states()
        opened = all(states.get(name, "loading") != "loading" for name in wanted)
        if opened and (states.get("mqtt") == "running" or time.monotonic() > patient_until):
            break
        time.sleep(0.1)
    told = daemon.core.service_facts()
    rows = [(one.service, one.model, one.variant, one.device) for one in told if one.state == "ready"]
    table("services", ("service", "model", "variant", "device"), rows)
    if more := len(told) - len(rows):
        say(f"{more} more are installed: each loads when it is asked (`edged ps` shows those in memory)")
    for name, state in units.states().items():
        if state not in ("running", "loading"):
            say(f"{name}: {state}", "yellow")
    if states.get("http") == "running":
        say(f"page:   http://{settings.http.listen}")
    topics = f"edged/{settings.node}"
    say(f"broker: {settings.mqtt.address}   subscribe to:")
    say(f"  {topics}/stream/#     results of {', '.join(settings.streams) or 'no stream'}")
    say(f"  {topics}/response/#   answers to requests on {topics}/request/<service>")


def _summary(daemon: "Daemon") -> None:
    """Frames seen, inferred and dropped by reason, and the latency, for each stream."""
    counts = daemon.core.counters.counts()
    latency = daemon.core.counters.percentiles()
    rows = []
    for name in daemon.config.streams:
        p50, p99 = latency.get(f"latency/{name}", (float("nan"), float("nan")))
        rows.append(
            (
                name,
                sum(counts.get(f"frames/{name}", {}).values()),
                sum(counts.get(f"frames_inferred/{name}", {}).values()),
                _reasons(counts.get(f"frames_dropped/{name}", {})),
                _reasons(counts.get(f"frames_failed/{name}", {})),
                f"{p50 * 1000:.1f} / {p99 * 1000:.1f}",
            )
        )
    table("frames", ("stream", "seen", "inferred", "dropped", "failed", "latency p50 / p99 ms"), rows)
    answered = {k.removeprefix("requests/"): v for k, v in counts.items() if k.startswith("requests/")}
    if answered:
        table("requests", ("service", "answers by code"), [(k, _reasons(v)) for k, v in answered.items()])


def _reasons(counts: dict[str, int]) -> str:
    return ", ".join(f"{n} {reason}" for reason, n in sorted(counts.items())) or "0"
