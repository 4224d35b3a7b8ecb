"""One frame's way: a mailbox for each service that a stream feeds, a worker, a message to every sink."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from pydantic import Field, model_validator

from edged.contracts.errors import EdgedError, RequestError
from edged.contracts.items import Frame
from edged.contracts.model import Options
from edged.contracts.result import result_fields
from edged.contracts.settings import Seconds, Settings
from edged.contracts.slot import Priority
from edged.flow.counters import Counters
from edged.flow.mailbox import Latest
from edged.pipeline.call import CallRun
from edged.pipeline.scheduler import Scheduler
from edged.pipeline.served import Served, ServiceTable

Sink = Callable[[str, str, bytes], None]
"""Where stream messages go: called with stream, service and the encoded message; must not block."""


class RunSettings(Settings):
    """One service that a stream feeds."""

    service: str
    """Name of the service."""
    every: Seconds | None = None
    """At most one item in so many seconds; none: every item that passes the stream's gate."""
    options: Mapping[str, Any] = Field(default_factory=dict)
    """Options that replace those of the service for this stream."""

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


@dataclass(frozen=True)
class Outlet:
    """Where the results of one stream go."""

    node: str
    stream: str
    sinks: Sequence[Sink]
    counters: Counters


class StreamRoute:
    """A frame in, one stream message out, to every sink. One object a stream and service."""

    def __init__(self, outlet: Outlet, served: Callable[[], Served], patch: Mapping[str, Any]) -> None:
        self._to = outlet
        self._served = served
        self._patch = patch
        self._options: tuple[Options, Options] | None = None
        self._seq = 0

    def handle(self, frame: Frame) -> None:
        """Infer and publish. A failed item is published as an error; a service that is not up drops it."""
        try:
            served = self._served()
        except RequestError:
            self._to.counters.count(f"frames_dropped/{self._to.stream}", "service not ready")
            return
        body = self._message(frame, served)
        for sink in self._to.sinks:
            sink(self._to.stream, served.service.name, body)

    def _message(self, frame: Frame, served: Served) -> bytes:
        outcome: dict[str, Any]
        try:
            result = served.instance.infer(frame, self._options_for(served), CallRun(), Priority.FRAME)
            outcome = {"result": result_fields(result)}
            self._to.counters.count(f"frames_inferred/{self._to.stream}", served.service.name)
        except EdgedError as error:
            outcome = {"error": {"code": error.code, "message": str(error)}}
            self._to.counters.count(f"frames_failed/{self._to.stream}", str(error.code))
        latency_s = time.time() - frame.captured_at
        self._to.counters.observe(f"latency/{self._to.stream}", latency_s)
        facts = served.instance.facts
        message = {
            "schema": served.service.schema_id,
            "node": self._to.node,
            "stream": self._to.stream,
            "seq": self._seq,
            "captured_at": iso_utc(frame.captured_at),
            "latency_ms": round(latency_s * 1000, 1),
            "frame": {"width": frame.width, "height": frame.height, "seq": frame.seq},
            "model": {"name": facts.name, "variant": facts.variant, "device": facts.device},
            **outcome,
        }
        self._seq += 1
        return orjson.dumps(message, option=orjson.OPT_SERIALIZE_NUMPY)

    def _options_for(self, served: Served) -> Options:
        """The service's options with the stream's over them; merged again only when the service's changed."""
        if self._options is None or self._options[0] is not served.options:
            self._options = (served.options, served.options_with(self._patch, f"streams.{self._to.stream}"))
        return self._options[1]


class Feed:
    """All lanes of one stream: where its frames go. Start and stop stand with the stream's."""

    def __init__(
        self, outlet: Outlet, runs: Sequence[RunSettings], table: ServiceTable, scheduler: Scheduler
    ) -> None:
        self._scheduler = scheduler
        self._lanes = [_Lane(outlet, run, table) for run in runs]

    def start(self) -> None:
        """Open the lanes."""
        for lane in self._lanes:
            self._scheduler.add(lane.name, lane.mailbox, lane.route.handle)

    def stop(self) -> None:
        """Close the lanes; returns when none of their frames is in work."""
        for lane in self._lanes:
            self._scheduler.remove(lane.name)

    def put(self, frame: Frame) -> None:
        """Hand a frame to every service that is due; never waits."""
        for lane in self._lanes:
            if lane.is_due(frame.captured_at):
                lane.mailbox.put(frame)


class _Lane:
    """One service of one stream."""

    def __init__(self, outlet: Outlet, run: RunSettings, table: ServiceTable) -> None:
        dropped = f"frames_dropped/{outlet.stream}"
        self.name = f"{outlet.stream}/{run.service}"
        self.mailbox: Latest[Frame] = Latest(lambda: outlet.counters.count(dropped, "busy"))
        self.route = StreamRoute(outlet, lambda: table.get(run.service), run.options)
        self._every = run.every
        self._next_at = float("-inf")

    def is_due(self, captured_at: float) -> bool:
        """Whether `every` has passed; asked once a frame."""
        if self._every is not None:
            if captured_at < self._next_at:
                return False
            self._next_at = captured_at + self._every
        return True


def iso_utc(seconds: float) -> str:
    """Seconds since the epoch as ISO 8601 in UTC with microseconds."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
