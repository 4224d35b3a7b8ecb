"""What /api/status says: how the box, its services and its streams are."""

from typing import Literal

from pydantic import ConfigDict, Field

from edged.contracts.described import Described
from edged.contracts.happenings import ZoneCounts
from edged.contracts.message import ClockState


class _Part(Described):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MqttStatus(_Part):
    """The connection to the broker."""

    state: str
    """`running`, or why not."""


class ServiceStatus(_Part):
    """A service that the configuration asks for, or that is installed and loads when it is asked."""

    service: str
    """Name of the service."""
    model: str | None = None
    """Id of the model that fulfils it; null while it is not up."""
    variant: str | None = None
    """Runtime and precision that it really runs in."""
    device: str | None = None
    """Device that it really runs on."""
    preparing: str = ""
    """What is made in the background for its model, such as other variants; empty: nothing."""
    why: str = ""
    """Why the CPU does what its device should, which fails or is set aside; empty when all is well."""
    latency_ms: float | None = None
    """Median of its newest inferences, from item to result, milliseconds; null before the first one."""
    state: str
    """`running`, `idle` (it loads when it is asked), `loading`, or why it cannot be served."""
    pinned: bool = True
    """Whether the configuration names it: then it stays in memory."""
    memory_bytes: int | None = None
    """By how much the process grew while it was loaded, and while it alone worked; approximate: what services
    share counts for the one that came first. Of one with a process of its own: what that holds. Null while it
    is not in memory."""
    memory_opened_bytes: int | None = None
    """What of that its loading took; null for one with a process of its own."""
    memory_most_bytes: int | None = None
    """The same as `memory_bytes` at its peak; null for one with a process of its own."""
    up_s: float | None = None
    """Seconds since it is in memory; null while it is not."""
    asked: int = 0
    """How often it was asked since then, frames of streams too."""
    asked_s: float | None = None
    """Seconds since it was asked last; null while it is not in memory."""

    @property
    def answers(self) -> bool:
        """Whether it can be asked now."""
        return self.state in ("running", "idle")


class StreamStatus(_Part):
    """A stream of the configuration."""

    name: str
    """Name of the stream."""
    state: Literal["online", "stalled", "offline", "disabled"]
    """`stalled`: connected, but no frame for a while; `offline`: not connected, trying again."""
    fps: float
    """Frames decoded a second, over the last seconds."""
    why: str
    """One sentence, empty when online."""
    recordings: str = ""
    """Why its last recording was not made; empty when it was, or none was wanted."""
    services: list[str]
    """Names of the services that it feeds."""
    lines: list[str] = Field(default_factory=list)
    """Names of its lines, at which who crosses is counted: `GET /api/counts`."""
    zones: dict[str, ZoneCounts] = Field(default_factory=dict)
    """Who is in its zones now, by their names: as in the messages of zones."""
    active: list[str] = Field(default_factory=list)
    """Names of the rules over it that hold now."""
    listens: bool
    """Whether they listen: then it has no picture."""
    enabled: bool
    """False: somebody switched it off."""


class ActionStatus(_Part):
    """An action of the configuration: a message to a phone, or a call of a webhook."""

    name: str
    """Name of the action."""
    kind: Literal["notify", "webhook"]
    """How its messages travel."""
    waiting: int
    """Messages that have not arrived yet."""
    why: str
    """Why the newest try failed; empty when it did not."""


class Status(_Part):
    """The whole of /api/status."""

    node: str
    """Name of the box."""
    version: str
    """Of edged."""
    uptime_s: float
    """Seconds since the start."""
    memory_bytes: int = 0
    """What this process holds (PSS), services and all else; 0 where the system does not tell."""
    memory_most_bytes: int = 0
    """Its resident set at its peak; 0 while nobody has looked."""
    memory_beside_bytes: int = 0
    """By how much it grew while several services worked, or none: then nobody knows for whom."""
    mqtt: MqttStatus
    """The connection to the broker."""
    services: list[ServiceStatus] = Field(default_factory=list)
    """All that are configured, up or not, and all that are installed."""
    streams: list[StreamStatus] = Field(default_factory=list)
    """All of the configuration."""
    actions: list[ActionStatus] = Field(default_factory=list)
    """All of the configuration."""
    queues: dict[str, int] = Field(default_factory=dict)
    """Items waiting, by queue: as in the health message."""
    units: dict[str, str] = Field(default_factory=dict)
    """State of every unit: `running`, or why not."""
    counters: dict[str, dict[str, int]] = Field(default_factory=dict)
    """By name, then by reason or code, since the start."""
    durability: str = ""
    """What requests over MQTT survive now: as in the health message; empty before that has started."""
    clock: ClockState = "unknown"
    """Whether this box's clock was set: as in the health message."""
    disk_free_bytes: dict[str, int] = Field(default_factory=dict)
    """Bytes that the daemon could still write, by folder of `paths`; without those that are not made yet."""

    def why_not_ready(self) -> str:
        """Empty when every service is up that is configured; else one sentence.

        A dead camera makes nothing unready.
        """
        down = [f"{s.service}: {s.state}" for s in self.services if s.pinned and s.state != "running"]
        queue = self.units.get("requests", "running")
        return "; ".join(down if queue == "running" else [*down, f"requests: {queue}"])
