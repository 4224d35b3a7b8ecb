"""One service of one stream: from an item to its outcome, and on to the live view and the publisher."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from pydantic import Field, model_validator

from edged.answers.finding import Finding, class_fault
from edged.answers.kinds import KINDS
from edged.contracts.errors import Cancelled, EdgedError, RequestError
from edged.contracts.items import Frame, LiveClip
from edged.contracts.model import Options
from edged.contracts.services import service
from edged.contracts.settings import Seconds, Settings
from edged.contracts.slot import Priority
from edged.flow.mailbox import Mailbox
from edged.serving.run import RunHandle
from edged.serving.scheduler import Scheduler
from edged.serving.table import Served, ServiceTable
from edged.streams.message import Outcome, age
from edged.streams.publisher import Outlet, Publisher
from edged.streams.rule import PublishSettings

log = logging.getLogger(__name__)


class RunSettings(Settings):
    """One service that a stream feeds."""

    service: str
    """Name of the service."""
    every: Seconds | None = None
    """At most one item in so many seconds; none: every item that passes the stream's gate. Of music-detection
    on a microphone it is the length of the pieces that it listens to, 5 s unless said; of
    video-classification on a camera the time from one result to the next."""
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


ItemT = TypeVar("ItemT", Frame, LiveClip)


class LaneTools(NamedTuple):
    """What the lanes of one stream have in common."""

    outlet: Outlet
    table: ServiceTable
    publish: PublishSettings = PublishSettings()
    """As the stream says; a service may say it otherwise."""


class Lane(ABC, Generic[ItemT]):
    """What cameras and microphones have in common; the mailbox is their own.

    One object a stream and service, in work by one worker at a time.
    """

    mailbox: Mailbox[ItemT]

    def __init__(self, tools: LaneTools, run: RunSettings) -> None:
        outlet, self._table, publish = tools
        settings = run.publish or publish
        self.service = run.service
        self._name = f"{outlet.stream}/{run.service}"
        self._to = outlet
        self._patch = run.options
        self._classes = settings.classes
        self._publisher = Publisher(outlet, settings)
        self._known: tuple[Served, Options] | None = None
        self._own: Scheduler | None = None

    def start(self, scheduler: Scheduler) -> None:
        """Have its items worked on; by a thread of its own where its service may hang without harm."""
        if self._table.is_isolated(self.service):
            self._own = Scheduler(f"isolated/{self._name}", 1, self._to.counters)
            self._own.start()
        (self._own or scheduler).add(self._name, self.mailbox, self.work)
        if (snapshots := self._publisher.snapshots) is not None:
            scheduler.add(f"{self._name}/snapshot", snapshots, self._publisher.send_snapshot)

    def stop(self, scheduler: Scheduler) -> None:
        """Close it; returns when none of its items is in work."""
        (self._own or scheduler).remove(self._name)
        if self._own is not None:
            self._own.stop()
        self._publisher.close()
        scheduler.remove(f"{self._name}/snapshot")

    def work(self, item: ItemT) -> None:
        """In a worker: one item of the mailbox."""
        self.handle(item, RunHandle(), Priority.FRAME)

    def handle(self, item: ItemT, run: RunHandle, priority: Priority) -> None:
        """Infer one item. A failure is an outcome too; a service that is not up drops the item."""
        try:
            served = self._table.get(self.service)
            found = self._found(item, served, run, priority)
        except Cancelled:
            self.dropped("superseded")
        except RequestError:
            self.dropped("service not ready")
        else:
            if found is not None:
                self._to.counters.observe(f"latency/{self._to.stream}", age(item))
                self.tell(Outcome(item, served.service, served.instance.facts, found))

    @abstractmethod
    def infer(
        self, item: ItemT, served: Served, options: Options, run: RunHandle, priority: Priority
    ) -> Any | None:
        """The result of one item; none: there is nothing to tell yet. Raises as `Instance.infer`."""

    def tell(self, outcome: Outcome) -> None:
        """To the rules of events, and to whom the one of publishing lets it."""
        self._to.notice(outcome)
        self._publisher.offer(outcome)

    def dropped(self, reason: str) -> None:
        """Count an item that nobody looks at."""
        self._to.counters.count(f"frames_dropped/{self._to.stream}", reason)

    def _found(
        self, item: ItemT, served: Served, run: RunHandle, priority: Priority
    ) -> Finding | EdgedError | None:
        """Raises `Cancelled` alone."""
        try:
            options = self._options_for(served)
            with served.usage.at_work():
                result = self.infer(item, served, options, run, priority)
        except Cancelled:
            raise
        except EdgedError as error:
            self._to.counters.count(f"frames_failed/{self._to.stream}", str(error.code))
            return error
        self._to.counters.count(f"frames_inferred/{self._to.stream}", self.service)
        return None if result is None else served.finding(result, options)

    def _options_for(self, served: Served) -> Options:
        """The service's options with the stream's over them; merged again only when the service's changed."""
        if self._known is None or self._known[0] is not served:
            where = f"streams.{self._to.stream}"
            patch = {**served.service.on_streams, **self._patch}
            self._known = served, served.options_with(patch, where)
            self._warn(served, {f"{where}.publish.classes": self._classes, **self._wanted()})
        return self._known[1]

    def _wanted(self) -> Mapping[str, Collection[str]]:
        """Classes that others want of its service, by place in the configuration."""
        return self._to.classes if KINDS[service(self.service).result].only is not None else {}

    def _warn(self, served: Served, wanted: Mapping[str, Collection[str]]) -> None:
        """Says of a model which of these classes it does not know."""
        names = served.instance.card.class_names() if any(wanted.values()) else ()
        for place, classes in wanted.items():
            if fault := class_fault(served.service, classes, names):
                log.warning("%s: %s", place, fault)


LaneT = TypeVar("LaneT", bound=Lane[Any])


class Lanes(Generic[LaneT]):
    """All lanes of one stream. Start and stop stand with the stream's."""

    def __init__(self, lanes: Sequence[LaneT], scheduler: Scheduler) -> None:
        self._lanes = lanes
        self._scheduler = scheduler

    def start(self) -> None:
        """Open them."""
        for lane in self._lanes:
            lane.start(self._scheduler)

    def stop(self) -> None:
        """Close them; returns when nothing is in work."""
        for lane in self._lanes:
            lane.stop(self._scheduler)
