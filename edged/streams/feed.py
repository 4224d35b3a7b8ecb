"""A camera's frames on their way to every service that wants them."""

from collections.abc import Sequence

from edged.contracts.items import Frame
from edged.contracts.services import service
from edged.serving.scheduler import Scheduler
from edged.serving.table import ServiceTable
from edged.streams.frame_lane import FrameLane
from edged.streams.lane import Lanes, LaneTools, RunSettings
from edged.streams.publisher import Outlet
from edged.streams.rule import PublishSettings
from edged.streams.tracking import TrackedLane, Tracking
from edged.streams.watch_lane import WatchLane


class Feed(Lanes[FrameLane]):
    """All lanes of one camera."""

    def __init__(
        self,
        outlet: Outlet,
        runs: Sequence[RunSettings],
        table: ServiceTable,
        scheduler: Scheduler,
        publish: PublishSettings = PublishSettings(),  # noqa: B008 - frozen
        *,
        tracking: Tracking | None = None,
    ) -> None:
        """`tracking`: of the service whose objects are followed."""
        tools = LaneTools(outlet, table, publish)
        super().__init__([_lane(tools, run, tracking) for run in runs], scheduler)
        self._view = outlet.view

    def wants(self, captured_at: float) -> bool:
        """Whether any service would look at a frame of that time."""
        return any(lane.wants(captured_at) for lane in self._lanes)

    def put(self, frame: Frame) -> None:
        """Hand a frame to every service that is due; never waits."""
        self._view.put_bare(frame)
        for lane in self._lanes:
            lane.put(frame)

    def still(self, frame: Frame) -> None:
        """Nothing moved in a frame, so no service looks at it."""
        for lane in self._lanes:
            lane.still(frame)


def _lane(tools: LaneTools, run: RunSettings, tracking: Tracking | None) -> FrameLane:
    if tracking is not None and run.service == tracking.service:
        return TrackedLane(tools, run, tracking)
    kind = WatchLane if service(run.service).watches else FrameLane
    return kind(tools, run)
