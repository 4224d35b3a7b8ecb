"""From one item of a stream to its outcome: the model of the service, its options here, the publisher."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from edged.answers.finding import Finding, class_fault
from edged.contracts.errors import Cancelled, EdgedError, RequestError
from edged.contracts.items import Frame, LiveClip
from edged.contracts.model import Options
from edged.contracts.slot import Priority
from edged.contracts.speech import Clips
from edged.serving.run import RunHandle
from edged.serving.table import Served
from edged.streams.publisher import Outcome, Outlet, Publisher, age
from edged.streams.rule import PublishSettings

log = logging.getLogger(__name__)


class StreamRoute:
    """An item in, its outcome to the live view and the publisher. One object a stream and service."""

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

    def handle(
        self,
        item: Frame | LiveClip,
        run: RunHandle = RunHandle(),  # noqa: B008 - frozen
        priority: Priority = Priority.FRAME,
    ) -> None:
        """Infer one item. A failure is an outcome too; a service that is not up drops the item."""
        try:
            outcome = self._inferred(item, self._served(), run, priority)
        except Cancelled:
            self._dropped("superseded")
        except RequestError:
            self._dropped("service not ready")
        else:
            self._to.counters.observe(f"latency/{self._to.stream}", age(item))
            if not isinstance(item, LiveClip):
                self._to.view.put(item, outcome.service.name, outcome.finding)
            self.publisher.offer(outcome)

    def _inferred(
        self, item: Frame | LiveClip, served: Served, run: RunHandle, priority: Priority
    ) -> Outcome:
        """Raises `Cancelled` alone."""
        stream, count, facts = self._to.stream, self._to.counters.count, served.instance.facts
        try:
            finding = self._found(item, served, run, priority)
        except Cancelled:
            raise
        except EdgedError as error:
            count(f"frames_failed/{stream}", str(error.code))
            return Outcome(item, served.service, facts, error=error)
        count(f"frames_inferred/{stream}", served.service.name)
        return Outcome(item, served.service, facts, finding)

    def _found(self, item: Frame | LiveClip, served: Served, run: RunHandle, priority: Priority) -> Finding:
        options = self._options_for(served)
        if not isinstance(item, LiveClip):
            return served.finding(served.instance.infer(item, options, run, priority), options)
        result = served.instance.infer(item.clip, options, run, priority)
        return served.finding(Clips([(item.clip.start_us, result)]), options)

    def _dropped(self, reason: str) -> None:
        self._to.counters.count(f"frames_dropped/{self._to.stream}", reason)

    def _options_for(self, served: Served) -> Options:
        """The service's options with the stream's over them; merged again only when the service's changed."""
        where = f"streams.{self._to.stream}"
        if self._options is None or self._known is not served:
            patch = {**served.service.on_streams, **self._patch}
            self._options = served.options_with(patch, where)
            self._known = served
            if self._classes:
                names = served.instance.card.class_names()
                if fault := class_fault(served.service, self._classes, names):
                    log.warning("%s.publish.classes: %s", where, fault)
        return self._options
