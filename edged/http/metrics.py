"""`GET /metrics` for Prometheus: the daemon's counters under names and labels that can be summed.

A counter `frames_dropped/door` with the reason `rate` is `edged_frames_dropped_total{stream="door",
reason="rate"}`; one that is not in the table below is told as well, with the labels `of` and `reason`.
"""

import re
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from edged.flow.counters import Counters
from edged.http.status import Status

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MOST_REASONS = 64
"""Of one counter; the rest is summed up as `other`, so that nothing outside can make the metrics grow."""

_LABELS: Mapping[str, tuple[str, str]] = {
    "requests": ("service", "code"),
    "actions": ("action", "outcome"),
    "grpc_answers": ("of", "code"),
    "http_answers": ("of", "code"),
    "frames": ("stream", "state"),
    "frames_dropped": ("stream", "reason"),
    "frames_failed": ("stream", "code"),
    "frames_inferred": ("stream", "service"),
    "results_suppressed": ("stream", "reason"),
    "snapshots_dropped": ("stream", "reason"),
    "recordings": ("stream", "reason"),
    "events": ("stream", "event"),
    "reconnects": ("stream", "state"),
    "inference_failed": ("model", "reason"),
}
"""Of a counter, by the part of its name before the slash: what stands behind the slash, and the reason."""


class EdgedCollector(Collector):
    """Asked at each scrape; keeps nothing itself."""

    def __init__(self, version: str, counters: Counters, status: Callable[[], Status]) -> None:
        self._version = version
        self._counters = counters
        self._status = status

    def collect(self) -> Iterator[Metric]:
        """All metrics but those of the process."""
        status = self._status()
        info = GaugeMetricFamily("edged_info", "What runs here; always 1.", labels=("version", "node"))
        info.add_metric((self._version, status.node), 1)
        yield info
        for gauge in (*_of_the_box(status), *_of_its_parts(status)):
            yield _gauge(*gauge)
        yield from _counts(self._counters.counts())
        yield from _durations(self._counters)


def registry(version: str, counters: Counters, status: Callable[[], Status]) -> CollectorRegistry:
    """Ours and the process's own metrics; not the global registry, which others may fill."""
    made = CollectorRegistry(auto_describe=False)
    made.register(EdgedCollector(version, counters, status))
    ProcessCollector(registry=made)
    return made


def exposition(of: CollectorRegistry) -> bytes:
    """The text that Prometheus reads. Takes milliseconds: not for an event loop."""
    return generate_latest(of)


_Gauges = Iterator[tuple[str, str, str, Mapping[str, float]]]
"""Name, what it means, its label (empty: none), samples by label; those that nobody knows are left out."""


def _of_the_box(status: Status) -> _Gauges:
    yield "uptime_seconds", "Since the start.", "", {"": status.uptime_s}
    yield "disk_free_bytes", "Left for the daemon in a folder of `paths`.", "path", status.disk_free_bytes
    durable = {"": not status.durability.startswith("memory: ")} if status.durability else {}
    yield "durable", "0 while requests are not kept as configured: the disk cannot be written.", "", durable
    clock = {} if status.clock == "unknown" else {"": status.clock == "synced"}
    yield "clock_synced", "0 while nobody has set the clock since it started.", "", clock


def _of_its_parts(status: Status) -> _Gauges:
    units = {name: state == "running" for name, state in status.units.items()}
    yield "queue_depth", "Items waiting.", "queue", status.queues
    yield "unit_up", "1 while a unit runs.", "unit", units
    services, streams = status.services, status.streams
    answers = {one.service: one.answers for one in services}
    spared = {one.service: bool(one.why) for one in services}
    yield "service_up", "1 while a service answers, be it after it has loaded.", "service", answers
    yield "service_spared", "1 while the CPU does what a service's device should.", "service", spared
    online = {one.name: one.state == "online" for one in streams}
    yield "stream_up", "1 while a stream is online.", "stream", online
    enabled = {one.name: one.enabled for one in streams}
    yield "stream_enabled", "0 while a stream is switched off.", "stream", enabled
    unrecorded = {one.name: bool(one.recordings) for one in streams}
    yield "stream_unrecorded", "1 when its last recording could not be made.", "stream", unrecorded
    yield "stream_fps", "Frames decoded a second.", "stream", {one.name: one.fps for one in streams}


def _gauge(name: str, text: str, label: str, samples: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"edged_{name}", text, labels=(label,) if label else ())
    for of, value in samples.items():
        family.add_metric((of,) if label else (), float(value))
    return family


def _counts(counts: Mapping[str, Mapping[str, int]]) -> Iterator[Metric]:
    families: dict[str, CounterMetricFamily] = {}
    for name, reasons in sorted(counts.items()):
        kind, _, of = name.partition("/")
        labels = _LABELS.get(kind, ("of", "reason"))
        if kind not in families:
            title = f"edged_{re.sub(r'[^a-zA-Z0-9_]', '_', kind)}"
            families[kind] = CounterMetricFamily(
                title, f"{kind.replace('_', ' ')}, since the start.", labels=labels
            )
        for reason, value in _bounded(reasons).items():
            families[kind].add_metric((of, reason), value)
    yield from families.values()


def _bounded(reasons: Mapping[str, int]) -> dict[str, int]:
    if len(reasons) <= MOST_REASONS:
        return dict(reasons)
    first = dict(list(reasons.items())[:MOST_REASONS])
    return {**first, "other": sum(reasons.values()) - sum(first.values())}


def _durations(counters: Counters) -> Iterator[Metric]:
    """`latency/<stream>` from the capture to the message; all else is a stage, of a model or of requests."""
    latency = Metric("edged_latency_seconds", "From the capture of a frame to its message.", "summary")
    stages = Metric("edged_stage_seconds", "How long a stage took.", "summary")
    percentiles = counters.percentiles()
    for name, (times, total) in sorted(counters.totals().items()):
        stage, _, of = name.partition("/")
        family, labels = (
            (latency, {"stream": of}) if stage == "latency" else (stages, {"stage": stage, "model": of})
        )
        for quantile, value in zip(("0.5", "0.99"), percentiles.get(name, ()), strict=False):
            family.add_sample(family.name, {**labels, "quantile": quantile}, value)
        family.add_sample(f"{family.name}_count", labels, times)
        family.add_sample(f"{family.name}_sum", labels, total)
    yield latency
    yield stages
