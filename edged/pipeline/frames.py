"""One frame's way: a mailbox for each service that a stream feeds, a worker, an outcome for the publisher."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import Field, model_validator

from edged.contracts.errors import EdgedError, RequestError
from edged.contracts.items import Frame
from edged.contracts.model import Options
from edged.contracts.settings import Seconds, Settings
from edged.contracts.slot import Priority
from edged.flow.mailbox import Latest
from edged.pipeline.call import CallRun
from edged.pipeline.events import PublishSettings
from edged.pipeline.outlet import Outcome, Outlet, Publisher
from edged.pipeline.scheduler import Scheduler
from edged.pipeline.seen import class_fault
from edged.pipeline.served import Served, ServiceTable

log = logging.getLogger(__name__)


class RunSettings(Settings):
    """One service that a stream feeds."""

    service: str
    """Name of the service."""
    every: Seconds | None = None
    """At most one item in so many seconds; none: every item that passes the stream's gate."""
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


class StreamRoute:
    """A frame in, its outcome to the live view and the publisher. One object a stream and service."""

    def __init__(
        self,
        outlet: Outlet,
        served: Callable[[], Served],
        patch: Mapping[str, Any],
        publish: PublishSettings = PublishSettings(),  # noqa: B008 - frozen
    ) -> None:
        self.publisher = Publisher(outlet, publish)
        """What becomes of the outcomes."""
        self._to = outlet
        self._served = served
        self._patch = patch
        self._classes = publish.classes
        self._known: Served | None = None
        self._options: Options | None = None

    def handle(self, frame: Frame) -> None:
        """Infer one frame. A failure is an outcome too; a service that is not up drops the frame."""
        try:
            served = self._served()
        except RequestError:
            self._to.counters.count(f"frames_dropped/{self._to.stream}", "service not ready")
            return
        outcome = self._inferred(frame, served)
        self._to.counters.observe(f"latency/{self._to.stream}", time.time() - frame.captured_at)
        self._to.view.put(frame, served.service.name, None if outcome.error else outcome.answer)
        self.publisher.offer(outcome)

    def _inferred(self, frame: Frame, served: Served) -> Outcome:
        stream, count, facts = self._to.stream, self._to.counters.count, served.instance.facts
        try:
            result = served.instance.infer(frame, self._options_for(served), CallRun(), Priority.FRAME)
        except EdgedError as error:
            count(f"frames_failed/{stream}", str(error.code))
            return Outcome(frame, served.service, facts, {}, error)
        count(f"frames_inferred/{stream}", served.service.name)
        return Outcome(frame, served.service, facts, served.fields(result))

    def _options_for(self, served: Served) -> Options:
        """The service's options with the stream's over them; merged again only when the service's changed."""
        where = f"streams.{self._to.stream}"
        if self._options is None or self._known is not served:
            patch = {**served.service.contract.on_streams, **self._patch}
            self._options = served.options_with(patch, where)
            self._known = served
            if self._classes:
                names = served.instance.card.class_names()
                if fault := class_fault(served.service.name, self._classes, names):
                    log.warning("%s.publish.classes: %s", where, fault)
        return self._options


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
            if lane.is_due(frame.captured_at):
                lane.mailbox.put(frame)


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
        self._every = run.every
        self._next_at = float("-inf")

    def is_due(self, captured_at: float) -> bool:
        """Whether `every` has passed; asked once a frame."""
        if self._every is not None:
            if captured_at < self._next_at:
                return False
            self._next_at = captured_at + self._every
        return True
