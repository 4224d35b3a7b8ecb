"""How the box, its services and its streams are: what /api/status and the page show."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict

from edged import __version__
from edged.config.settings import Config
from edged.contracts.happenings import ZoneCounts
from edged.contracts.message import StreamState
from edged.core import Core
from edged.flow import clock
from edged.flow.footprint import disk_free, pss_of
from edged.http.status import ActionStatus, MqttStatus, ServiceStatus, Status, StreamStatus
from edged.repository.isolated import IsolatedInstance
from edged.serving.table import Served

UNKNOWN = StreamState(state="offline", fps=0.0, why="not started yet")
NOBODY_LOOKS = ZoneCounts(count=None, longest_since=None, by_class=None)


def status(core: Core, settings: Config, off: frozenset[str]) -> Status:
    """The whole of it now; `off`: the streams that were switched off."""
    units = core.units.states()
    return Status(
        node=settings.node,
        version=__version__,
        uptime_s=round(time.monotonic() - core.started_at, 1),
        memory_bytes=pss_of(),
        **core.growth(),
        mqtt=MqttStatus(state=units.get("mqtt", "not started yet")),
        services=list(_services(core, settings, units)),
        streams=list(_streams(core, settings, off)),
        actions=[ActionStatus.model_validate(asdict(one)) for one in core.actions()],
        queues=core.queues(),
        units=units,
        counters=core.counters.counts(),
        durability=core.kept(),
        clock=clock.state(),
        disk_free_bytes=dict(_disks(settings)),
    )


def _disks(settings: Config) -> Iterator[tuple[str, int]]:
    for name in ("state", "models", "gallery"):
        if (free := disk_free(getattr(settings.paths, name))) is not None:
            yield name, free


def _services(core: Core, settings: Config, units: Mapping[str, str]) -> Iterator[ServiceStatus]:
    ready = {served.service.name: served for served in core.table.ready()}
    latency, preparing = core.counters.percentiles(), core.preparing()
    wanted = settings.wanted_services()
    for name in wanted:
        state = units.get(f"service/{name}", "not started yet")
        yield _service(latency, ready.get(name), ServiceStatus(service=name, state=state), preparing)
    offers = {offer.service: offer for offer in core.offers()}
    for name, offer in offers.items():
        state = "running" if offer.served else offer.state
        bare = ServiceStatus(service=name, model=offer.model, state=state, pinned=False)
        yield _service(latency, offer.served, bare, preparing)
    for name, why in core.table.why_not().items():
        if name not in wanted and name not in offers:
            yield ServiceStatus(service=name, state=why, pinned=False)


def _service(
    latency: Mapping[str, tuple[float, float]],
    served: Served | None,
    bare: ServiceStatus,
    preparing: Mapping[str, str],
) -> ServiceStatus:
    """With what is known of one that is in memory."""
    if served is None:
        return bare
    facts, usage, now = served.instance.facts, served.usage, time.monotonic()
    p50, _ = latency.get(f"whole/{facts.name}", (None, None))
    return bare.model_copy(
        update={
            "model": facts.name,
            "variant": facts.variant,
            "device": facts.device,
            "preparing": preparing.get(facts.name, ""),
            "why": served.instance.why_spared,
            "latency_ms": None if p50 is None else round(p50 * 1000, 2),
            "up_s": round(now - usage.since, 1),
            "asked": usage.times,
            "asked_s": round(now - usage.last, 1),
            **_memory(served),
        }
    )


def _memory(served: Served) -> Mapping[str, int | None]:
    """What it holds; nothing is known of what a process of its own held before."""
    if isinstance(served.instance, IsolatedInstance):
        return {"memory_bytes": served.instance.size() or None}
    grown = served.grown
    return {
        "memory_bytes": grown.size or None,
        "memory_opened_bytes": grown.opened or None,
        "memory_most_bytes": grown.most or None,
    }


def _streams(core: Core, settings: Config, off: frozenset[str]) -> Iterator[StreamStatus]:
    states, active = core.telling.states(), core.active_rules()
    for name, stream in settings.streams.items():
        told, inside = states.get(name, UNKNOWN), core.zones(name)
        yield StreamStatus(
            name=name,
            state="disabled" if name in off else told.state,
            fps=told.fps,
            why=told.why,
            recordings=told.recordings,
            services=[run.service for run in stream.run],
            lines=list(stream.lines),
            zones={zone: inside.get(zone, NOBODY_LOOKS) for zone in stream.zones},
            active=[rule for rule in settings.rules_of(name) if rule in active],
            listens=stream.listens,
            enabled=name not in off,
        )
