"""One frame's way: a mailbox for each service that a camera feeds, a worker, an outcome for the publisher."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field, model_validator

from edged.contracts.items import Frame
from edged.contracts.settings import Seconds, Settings
from edged.flow.mailbox import Latest
from edged.serving.scheduler import Scheduler
from edged.serving.table import ServiceTable
from edged.streams.lane import StreamRoute
from edged.streams.publisher import Outlet
from edged.streams.rule import PublishSettings


class RunSettings(Settings):
    """One service that a stream feeds."""

    service: str
    """Name of the service."""
    every: Seconds | None = None
    """At most one item in so many seconds; none: every item that passes the stream's gate. Of music-detection
    on a microphone it is the length of the pieces that it listens to, 5 s unless said."""
    options: Mapping[str, Any] = Field(default_factory=dict)
    """Options that replace those of the service for this stream."""
    publish: PublishSettings | None = None
    """Which results are published; none: as the stream says."""

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: object) -> object:
        """`object-detection`, or `{object-detection: {every: 2s}}`."""
        if isinstance(value, str):
            return {"service": value}
        if isinstance(value, dict) and len(value) == 1 and "service" not in value:
            ((name, rest),) = value.items()
            return {"service": name, **(rest or {})} if isinstance(rest, dict | None) else value
        return value


class Feed:
    """All lanes of one stream: where its frames go. Start and stop stand with the stream's."""

    def __init__(
        self,
        outlet: Outlet,
        runs: Sequence[RunSettings],
        table: ServiceTable,
        scheduler: Scheduler,
        publish: PublishSettings = PublishSettings(),  # noqa: B008 - frozen
    ) -> None:
        self._view = outlet.view
        self._scheduler = scheduler
        self._lanes = [_Lane(outlet, run, table, run.publish or publish) for run in runs]

    def start(self) -> None:
        """Open the lanes."""
        for lane in self._lanes:
            self._scheduler.add(lane.name, lane.mailbox, lane.route.handle)
            if (snapshots := lane.publisher.snapshots) is not None:
                self._scheduler.add(f"{lane.name}/snapshot", snapshots, lane.publisher.send_snapshot)

    def stop(self) -> None:
        """Close the lanes; returns when none of their frames is in work."""
        for lane in self._lanes:
            self._scheduler.remove(lane.name)
            lane.publisher.close()
            self._scheduler.remove(f"{lane.name}/snapshot")

    def put(self, frame: Frame) -> None:
        """Hand a frame to every service that is due; never waits."""
        self._view.put_bare(frame)
        for lane in self._lanes:
            if lane.due.at(frame.captured_at):
                lane.mailbox.put(frame)


class Due:
    """Lets at most one item in so many seconds pass."""

    def __init__(self, every: float | None) -> None:
        """None: every item."""
        self._every = every
        self._next_at = float("-inf")

    def at(self, captured_at: float) -> bool:
        """Whether the time has passed; asked once an item."""
        if self._every is not None:
            if captured_at < self._next_at:
                return False
            self._next_at = captured_at + self._every
        return True


class _Lane:
    """One service of one stream."""

    def __init__(
        self, outlet: Outlet, run: RunSettings, table: ServiceTable, publish: PublishSettings
    ) -> None:
        dropped = f"frames_dropped/{outlet.stream}"
        self.name = f"{outlet.stream}/{run.service}"
        self.mailbox: Latest[Frame] = Latest(lambda: outlet.counters.count(dropped, "busy"))
        self.route = StreamRoute(outlet, lambda: table.get(run.service), run.options, publish)
        self.publisher = self.route.publisher
        self.due = Due(run.every)
