"""Is the daemon well? For people and machines over MQTT, and for systemd's watchdog."""

import os
import socket
import time
from pathlib import Path

from edged.contracts.message import Health, Latency
from edged.core import Core
from edged.flow import clock
from edged.flow.footprint import disk_free
from edged.flow.units import Units


def health(node: str, state: Path, core: Core) -> Health:
    """The message on `edged/<node>/health`; `state`: the folder of the state."""
    return Health(
        node=node,
        uptime_s=round(time.monotonic() - core.started_at, 1),
        counters=core.counters.counts(),
        latency_ms={
            stage: Latency(p50=round(p50 * 1000, 2), p99=round(p99 * 1000, 2))
            for stage, (p50, p99) in core.counters.percentiles().items()
        },
        queues=core.queues(),
        units=core.units.states(),
        durability=core.kept(),
        clock=clock.state(),
        preparing=core.preparing(),
        disk_free_bytes=disk_free(state),
        at=clock.iso_utc(time.time()) if clock.state() != "unsynced" else None,
    )


class Systemd:
    """What systemd wants to hear (sd_notify); silent where nobody listens."""

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "")
        self.watchdog_s = int(os.environ.get("WATCHDOG_USEC", "0")) / 1e6 or None
        """Seconds within which systemd wants a sign of life; none: it does not watch."""

    def tell(self, *lines: str) -> None:
        """Send `READY=1`, `STATUS=...`, `WATCHDOG=1`, ..."""
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto("\n".join(lines).encode(), address)

    def watch(self, units: Units) -> None:
        """A sign of life, unless a unit has given none for as long as systemd would wait for ours."""
        oldest = units.oldest_beat()
        if self.watchdog_s and (oldest is None or time.monotonic() - oldest < self.watchdog_s):
            self.tell("WATCHDOG=1")
