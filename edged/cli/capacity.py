"""`edged bench --capacity`: what a box bears, as tables or as JSON."""

import signal
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from edged import __version__
from edged.bench.camera_trial import SIZE, CameraRound, CameraTerms, is_disturbed
from edged.bench.capacity import Capacity, measured_capacity
from edged.bench.clip import FPS
from edged.bench.machine import machine
from edged.bench.service_rates import ServiceRate
from edged.cli.options import duration
from edged.cli.terminal import print_json, progress_bars, say, table
from edged.config.settings import Config

_ROUNDS = (
    *("cameras", "results/s", "least", "frames/s", "p50 ms", "p99 ms"),
    *("cores", "others", "memory", "too much"),
)
_RATES = (
    *("service", "model", "variant", "item"),
    *("requests/s", "clients", "p50 ms", "p99 ms", "alone ms", "memory"),
)

Rate = Annotated[float, typer.Option(min=0.1, max=30, help="Capacity: inferences a second of each camera.")]
Latency = Annotated[
    float,
    typer.Option(
        "--p99", parser=duration, help="Capacity: from capture to message, at most.", metavar="DURATION"
    ),
]
Window = Annotated[
    float, typer.Option(parser=duration, help="Capacity: each round is measured so long.", metavar="DURATION")
]
Most = Annotated[int, typer.Option(min=1, max=500, help="Capacity: no more cameras are tried.")]


def tell_capacity(settings: Config, names: Sequence[str], terms: CameraTerms, as_json: bool) -> None:
    """Measure it, for minutes, and tell. Raises as `measured_capacity`."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: nothing is left behind
    with progress_bars() as report:
        found = measured_capacity(settings, names, terms, report)
    if as_json:
        print_json(_facts(found, terms))
    else:
        _show(found, terms)


def _facts(found: Capacity, terms: CameraTerms) -> dict[str, Any]:
    cameras = {
        "service": found.camera_service,
        "width": SIZE[1],
        "height": SIZE[0],
        "fps": FPS,
        "rate": terms.rate,
        "p99_ms": terms.p99_s * 1000,
        "borne": found.cameras,
        "limit": found.limit,
        "rounds": [asdict(one) for one in found.rounds],
    }
    return {
        "version": __version__,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": asdict(machine()),
        "cameras": cameras if found.camera_service is not None else None,
        "services": [asdict(one) for one in found.rates],
        "left_out": dict(found.left_out),
    }


def _show(found: Capacity, terms: CameraTerms) -> None:
    if found.camera_service is not None:
        table(
            f"cameras of {SIZE[0]}p{FPS} that run {found.camera_service}", _ROUNDS, map(_round, found.rounds)
        )
        say(_sentence(found, terms), "bold")
        if any(one.why_not and is_disturbed(one.other_cores) for one in found.rounds):
            say("others took a good part of the box meanwhile: it may bear more when they rest", "yellow")
    measured = [one for one in found.rates if not one.why_not]
    if measured:
        table("requests a second over HTTP, each service alone", _RATES, map(_rate, measured))
    left_out = {**found.left_out, **{one.service: one.why_not for one in found.rates if one.why_not}}
    if left_out:
        table("not measured", ("service", "why"), left_out.items())


def _sentence(found: Capacity, terms: CameraTerms) -> str:
    name = f"cameras at {terms.rate:g} inferences a second, p99 within {terms.p99_s * 1000:g} ms"
    if found.limit:
        return f"{found.cameras} {name}; with more: {found.limit}"
    return f"{found.cameras} {name}; no more were tried"


def _round(one: CameraRound) -> tuple[str, ...]:
    return (
        str(one.cameras),
        f"{one.results_a_second:.2f}",
        f"{one.least_a_second:.2f}",
        f"{one.frames_a_second:.1f}",
        _ms(one.p50_ms),
        _ms(one.p99_ms),
        f"{one.cores:.2f}",
        f"{one.other_cores:.2f}",
        f"{one.memory_bytes / 1e6:.0f} MB",
        one.why_not,
    )


def _rate(one: ServiceRate) -> tuple[str, ...]:
    return (
        one.service,
        one.model,
        one.variant or "-",
        one.item,
        f"{one.requests_a_second:.1f}",
        str(one.clients),
        _ms(one.p50_ms),
        _ms(one.p99_ms),
        _ms(one.alone_ms),
        f"{one.memory_bytes / 1e6:.0f} MB",
    )


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
