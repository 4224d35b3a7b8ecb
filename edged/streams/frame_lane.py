"""One service of one camera that looks at single frames."""

import logging
from collections.abc import Collection, Mapping
from typing import Any

from edged.answers.finding import Finding
from edged.contracts.errors import NotUsable
from edged.contracts.items import Frame, LiveClip
from edged.contracts.model import Options
from edged.contracts.slot import Priority
from edged.flow.mailbox import Latest
from edged.serving.run import RunHandle
from edged.serving.scheduler import Scheduler
from edged.serving.table import Served
from edged.streams.lane import Lane, LaneTools, RunSettings
from edged.streams.message import Outcome
from edged.streams.turns import Turns

log = logging.getLogger(__name__)


class FrameLane(Lane[Frame]):
    """One service of one camera: the newest frame wins."""

    def __init__(self, tools: LaneTools, run: RunSettings) -> None:
        super().__init__(tools, run)
        self.mailbox: Latest[Frame] = Latest(lambda: self.dropped("busy"))
        self._turns = Turns(run.every)
        self._every = run.every

    def start(self, scheduler: Scheduler) -> None:
        super().start(scheduler)
        self._turns = Turns(self._every, scheduler.phase())

    def wants(self, captured_at: float) -> bool:
        """Whether it would look at a frame of that time."""
        return self._turns.would(captured_at)

    def put(self, frame: Frame) -> None:
        """A frame, if it is time for one."""
        if self._turns.at(frame.captured_at):
            self.mailbox.put(frame)

    def still(self, frame: Frame) -> None:
        """Nothing moved in a frame, so it is not looked at."""

    def infer(
        self, item: Frame, served: Served, options: Options, run: RunHandle, priority: Priority
    ) -> Any | None:
        if fault := _fault(served):
            raise NotUsable(fault)
        return served.instance.infer(item, options, run, priority)

    def tell(self, outcome: Outcome) -> None:
        """The live view, too."""
        frame, finding = outcome.item, outcome.finding
        if not isinstance(frame, LiveClip):
            shown = finding if isinstance(finding, Finding) else None
            self._to.view.put(frame, self.service, shown, outcome.tracks or ())
        super().tell(outcome)

    def _warn(self, served: Served, wanted: Mapping[str, Collection[str]]) -> None:
        """And that it can never look at a frame."""
        super()._warn(served, wanted)
        if fault := _fault(served):
            log.warning("streams.%s.run: %s", self._to.stream, fault)


def _fault(served: Served) -> str | None:
    """Why no camera can feed a model; none: one can."""
    fault = served.reference_fault(given=False)
    return None if fault is None else f"no camera can feed {served.service.name}: {fault}"
