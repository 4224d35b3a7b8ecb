"""How the box, its services and its streams are: what /api/status and the page show."""

import time
from collections.abc import Iterator, Mapping

from edged import __version__
from edged.config import Config
from edged.contracts.message import StreamState
from edged.core import Core
from edged.flow import clock
from edged.http.status import MqttStatus, ServiceStatus, Status, StreamStatus

UNKNOWN = StreamState(state="offline", fps=0.0, why="not started yet")


def status(core: Core, settings: Config, off: frozenset[str]) -> Status:
    """The whole of it now; `off`: the streams that were switched off."""
    units = core.units.states()
    return Status(
        node=settings.node,
        version=__version__,
        uptime_s=round(time.monotonic() - core.started_at, 1),
        mqtt=MqttStatus(state=units.get("mqtt", "not started yet")),
        services=list(_services(core, settings, units)),
        streams=list(_streams(settings, core.telling.states(), off)),
        queues=core.queues(),
        units=units,
        counters=core.counters.counts(),
        durability=core.kept(),
        clock=clock.state(),
    )


def _services(core: Core, settings: Config, units: Mapping[str, str]) -> Iterator[ServiceStatus]:
    ready = {served.service.name: served.instance.facts for served in core.table.ready()}
    latency = core.counters.percentiles()
    for name in settings.wanted_services():
        state = units.get(f"service/{name}", "not started yet")
        if (facts := ready.get(name)) is None:
            yield ServiceStatus(service=name, state=state)
            continue
        p50, _ = latency.get(f"whole/{facts.name}", (None, None))
        yield ServiceStatus(
            service=name,
            model=facts.name,
            variant=facts.variant,
            device=facts.device,
            latency_ms=None if p50 is None else round(p50 * 1000, 2),
            state=state,
        )


def _streams(
    settings: Config, states: Mapping[str, StreamState], off: frozenset[str]
) -> Iterator[StreamStatus]:
    for name, stream in settings.streams.items():
        told = states.get(name, UNKNOWN)
        yield StreamStatus(
            name=name,
            state="disabled" if name in off else told.state,
            fps=told.fps,
            why=told.why,
            recordings=told.recordings,
            services=[run.service for run in stream.run],
            listens=stream.listens,
            enabled=name not in off,
        )
