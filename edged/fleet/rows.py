"""One row a node: what is known of it, and what of that wants somebody's attention. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from edged.contracts.message import ClockState, Health, Info, Published, StreamState

Standing = Literal["down", "failing", "warning", "fine"]
STANDINGS: tuple[Standing, ...] = ("down", "failing", "warning", "fine")
"""Who needs attention most goes first."""
LITTLE_DISK = 1_000_000_000
"""Bytes; less is worth a warning."""
MANY_WAIT = 100
"""Requests and frames that wait; more is worth a warning."""
_NO_WORK = ("mqtt/", "actions/", "events")
"""Queues of what goes out."""
_TOLD_APART = ("stream/", "service/")
"""Units of which other messages say more."""


class ServiceRow(Published):
    """A service of a node."""

    service: str
    """Name of the service."""
    state: Literal["ready", "idle", "loading", "not ready"]
    """As in `info`; `not ready`: it cannot answer."""
    model: str = ""
    """Id of the model; empty where that is not told."""
    variant: str = ""
    """Runtime and precision; empty while it is not in memory."""
    device: str = ""
    """On which it runs; empty likewise."""
    why: str = ""
    """Why it is not ready, or not on the device that it should be on; empty when all is well."""


class StreamRow(Published):
    """A stream that should be online and is not."""

    stream: str
    """Name of the stream."""
    state: Literal["stalled", "offline"]
    """As it tells."""
    why: str
    """One sentence."""


class NodeRow(Published):
    """What `edged fleet --json` tells of a node. What the node has not told is null."""

    node: str
    """Name of the box."""
    standing: Standing
    """`down`: not connected to the broker; `failing`: something does not work; `warning`: it works, but not
    as it should; `fine`."""
    attention: list[str]
    """What is wrong, the worst first; empty when it is fine."""
    online: bool | None
    """Whether it is connected to the broker. All else is of its last message."""
    told_at: str | None
    """UTC, ISO 8601: when it told its health last, by its own clock."""
    version: str | None
    """Of edged."""
    mqtt: str | None
    """Protocol that it speaks with the broker."""
    services: list[ServiceRow]
    """Those that can be asked, and those that should be."""
    queued: int | None
    """Requests and frames that wait for work."""
    slowest_model: str | None
    """The model whose answers take longest: the greatest 99th percentile."""
    p50_ms: float | None
    """Median of it."""
    p99_ms: float | None
    """99th percentile of it."""
    streams: int
    """Streams that are switched on."""
    streams_down: list[StreamRow]
    """Those of them that are not online."""
    disk_free_bytes: int | None
    """Where its state lies."""
    durability: str | None
    """As in `health`: `memory: ...`, with the reason, while the disk cannot be written."""
    clock: ClockState | None
    """As in `health`."""
    uptime_s: float | None
    """Since the daemon's start."""


@dataclass
class Told:
    """The last messages of a node."""

    availability: str | None = None
    info: Info | None = None
    health: Health | None = None
    streams: dict[str, StreamState] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    """What could not be read, by topic, and why."""

    def empty(self) -> bool:
        """All was taken back."""
        return self == Told()


def row_of(node: str, told: Told) -> NodeRow:
    """The row of a node."""
    info, health = told.info, told.health
    on = {name: stream for name, stream in told.streams.items() if stream.enabled}
    down = [
        StreamRow(stream=name, state=stream.state, why=stream.why)
        for name, stream in sorted(on.items())
        if stream.state != "online"
    ]
    slowest = _slowest(health)
    concerns = sorted(_concerns(told, down), key=lambda one: STANDINGS.index(one[0]))
    return NodeRow(
        node=node,
        standing=concerns[0][0] if concerns else "fine",
        attention=[why for _, why in concerns],
        online=None if told.availability is None else told.availability == "online",
        told_at=health.at if health else None,
        version=info.version if info else None,
        mqtt=info.mqtt if info else None,
        services=[] if info is None else list(_services(info)),
        queued=_queued(health.queues) if health else None,
        slowest_model=slowest,
        p50_ms=health.latency_ms[f"whole/{slowest}"].p50 if health and slowest else None,
        p99_ms=health.latency_ms[f"whole/{slowest}"].p99 if health and slowest else None,
        streams=len(on),
        streams_down=down,
        disk_free_bytes=health.disk_free_bytes if health else None,
        durability=health.durability if health else None,
        clock=health.clock if health else None,
        uptime_s=health.uptime_s if health else None,
    )


def _services(info: Info) -> Iterator[ServiceRow]:
    for one in info.services:
        yield ServiceRow(
            service=one.service,
            state=one.state,
            model=one.model,
            variant=one.variant,
            device=one.device,
            why=one.why,
        )
    for name, why in info.not_ready.items():
        yield ServiceRow(service=name, state="not ready", why=why)


def _queued(queues: Mapping[str, int]) -> int:
    return sum(number for name, number in queues.items() if not name.startswith(_NO_WORK))


def _slowest(health: Health | None) -> str | None:
    """The model with the greatest 99th percentile."""
    whole = {} if health is None else health.latency_ms
    times = {name.partition("/")[2]: t.p99 for name, t in whole.items() if name.startswith("whole/")}
    return max(times, key=lambda name: times[name], default=None)


def _concerns(told: Told, down: list[StreamRow]) -> Iterator[tuple[Standing, str]]:
    """What is wrong, and how bad that is. Of a node that is down the rest is past."""
    if told.availability is None:
        yield "failing", "it never told whether it is there"
    elif told.availability != "online":
        yield "down", "it is not connected to the broker"
        return
    yield from (("failing", f"its {what} cannot be read: {why}") for what, why in told.unread.items())
    yield from (
        ("failing", f"stream {one.stream} is {one.state}{f': {one.why}' if one.why else ''}") for one in down
    )
    for stream, state in told.streams.items():
        if why := state.source or state.recordings:
            yield "warning", f"stream {stream} does not record: {why}"
    if told.info is not None:
        yield from (("failing", f"{name}: {why}") for name, why in told.info.not_ready.items())
        yield from (("warning", f"{one.service}: {one.why}") for one in told.info.services if one.why)
    if told.health is not None:
        yield from _unwell(told.health)


def _unwell(health: Health) -> Iterator[tuple[Standing, str]]:
    for name, state in health.units.items():
        if state != "running" and not name.startswith(_TOLD_APART):
            yield "failing", f"{name}: {state}"
    if health.durability.startswith("memory: "):
        yield "failing", f"requests are kept in {health.durability}"
    if health.disk_free_bytes is not None and health.disk_free_bytes < LITTLE_DISK:
        yield "warning", f"the disk has {health.disk_free_bytes // 1_000_000} MB left"
    if health.clock == "unsynced":
        yield "warning", "nobody has set its clock"
    if (waiting := _queued(health.queues)) > MANY_WAIT:
        yield "warning", f"{waiting} requests and frames wait"
