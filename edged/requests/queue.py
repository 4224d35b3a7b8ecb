"""One request's way: raw bytes in the queue, a worker, exactly one answer.

A request that names a URL leaves the worker for the lane of fetches and comes back with its media, so slow
servers never hold up the requests that bring all they need.
"""

import logging
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, Field, ValidationError

from edged.answers.drawing import drawing_of
from edged.answers.finding import Finding
from edged.contracts import media as media_fields
from edged.contracts.errors import BadRequest, EdgedError, TooLarge
from edged.contracts.items import Frame, FramePair, Item
from edged.contracts.message import Envelope
from edged.contracts.model import Options
from edged.contracts.request import Answer, RequestJob, refusal
from edged.contracts.service import Service
from edged.contracts.services import SERVICES, service
from edged.contracts.settings import Settings
from edged.contracts.slot import Priority
from edged.flow.counters import Counters
from edged.flow.mailbox import Fifo
from edged.media.fetch import IN_MEMORY, Fetched
from edged.media.picture import PictureLimits
from edged.media.policy import FetchSettings
from edged.media.sound import SoundLimits
from edged.requests.decode import Wanted, fetched, item_of, wanted_of
from edged.requests.recording import Recording, listened
from edged.serving.run import CallRun, Cancellations
from edged.serving.scheduler import Scheduler
from edged.serving.table import Served, ServiceTable

log = logging.getLogger(__name__)

AnswerT = TypeVar("AnswerT", Answer, Answer | None)


class RequestSettings(Settings):
    """Limits of requests, however they come in."""

    max_waiting: int = Field(default=256, ge=1)
    """Requests in the queue; one more is answered 429."""
    max_waiting_bytes: int = Field(default=100_000_000, ge=1)
    """Bytes of all waiting requests; more is answered 429."""
    timeout_s: float = Field(default=60.0, gt=0)
    """Seconds from the arrival to 504, for a request that names no `timeout_s`."""
    max_answer_bytes: int = Field(default=8_000_000, ge=1000)
    """A longer answer is replaced by 413."""
    picture: PictureLimits = PictureLimits()
    """Limits of a picture in a request."""
    sound: SoundLimits = SoundLimits()
    """Limits of a recording in a request."""
    fetch: FetchSettings = FetchSettings()
    """What may be fetched for a request that names a URL."""


@dataclass(slots=True)
class Call:
    """A request on its way; filled step by step."""

    job: RequestJob
    started: float = field(default_factory=time.monotonic)
    fields: Mapping[str, Any] = field(default_factory=dict)
    """What could be read of it, for a refusal to echo."""
    request: Any = field(init=False)
    """As the service wants it, once it is open."""
    served: Served = field(init=False)
    run: CallRun = field(init=False)
    wanted: Wanted | None = None
    """Media that must be fetched first."""
    media: Fetched | None = None
    """What was fetched."""


class RequestRoute:
    """A raw request in, exactly one answer out."""

    def __init__(self, table: ServiceTable, settings: RequestSettings, counters: Counters) -> None:
        self.cancellations = Cancellations()
        self._table = table
        self._settings = settings
        self._counters = counters

    def answer(self, job: RequestJob) -> Answer:
        """The answer of a job: the result, or the error as `FailedAnswer`. Fetches in this thread."""
        return self._guarded(Call(job), self._at_once)

    def handle(self, job: RequestJob) -> None:
        """Answer the job, whatever happens."""
        self.step(Call(job), self._at_once)

    def step(self, call: Call, do: Callable[[Call], Answer | None]) -> None:
        """Take a call one step further; reply if that was the last one, or if it failed."""
        answer = self._guarded(call, do)
        if answer is None:
            return
        job = call.job
        known = job.service if job.service in SERVICES else "unknown"  # strangers do not name counters
        self._counters.count(f"requests/{known}", str(answer.code))
        self._counters.observe("request", time.monotonic() - call.started)
        job.reply(answer)

    def open(self, call: Call) -> None:
        """Step 1: look into the request."""
        call.fields = _parsed(call.job.payload)
        known = service(call.job.service)
        call.served = self._table.get(call.job.service)
        call.request = validated(known, call.fields)
        call.run = self._run(call.job, call.request)
        call.run.check()
        call.wanted = wanted_of(call.request, self._settings.picture, self._settings.sound)

    def fetch(self, call: Call) -> int:
        """Step 2: bring the media that it wants, if any; returns the bytes that it holds in memory."""
        if call.wanted is None:
            return 0
        call.run.check()
        with self._counters.timed("fetch"):
            call.media = fetched(call.wanted, self._settings.fetch, call.run.deadline)
        return min(call.media.size, IN_MEMORY)

    def result(self, call: Call) -> Answer:
        """Step 3: decode, infer, encode."""
        request, served = call.request, call.served
        call.run.check()
        with self._counters.timed("decode"):
            item = item_of(request, self._settings.picture, call.media, served.instance.picture)
        options = served.options_with(_options_of(served.service, request))
        finding = self._found(served, item, options, call.run)
        call.run.check_cancelled()
        with self._counters.timed("encode"):
            body = self._encoded(finding, request.request_id or "")
        drawn = call.job.wants_drawing and served.service.takes_pictures
        draw = partial(drawing_of, _frames_in(item), [finding]) if drawn else None
        return Answer(request.request_id or "", body, 200, served.instance.facts.name, request.reply_to, draw)

    def _found(self, served: Served, item: Any, options: Options, run: CallRun) -> Finding:
        if isinstance(item, Recording):
            return served.finding(listened(served, item, options, self._settings.sound, run), options)
        return served.finding(served.instance.infer(item, options, run, Priority.REQUEST), options)

    def _at_once(self, call: Call) -> Answer:
        self.open(call)
        self.fetch(call)
        return self.result(call)

    def _guarded(self, call: Call, do: Callable[[Call], AnswerT]) -> AnswerT | Answer:
        try:
            answer: AnswerT | Answer = do(call)
        except EdgedError as error:
            answer = refusal(call.fields, error.code, str(error))
        except Exception:
            log.exception("request to %s failed", call.job.service)
            answer = refusal(call.fields, 500, "the daemon failed on this request; its log says why")
        if answer is not None and call.media is not None:
            call.media.file.close()
        return answer

    def _run(self, job: RequestJob, request: Envelope) -> CallRun:
        request_id, report = request.request_id or "", None
        if job.progress is not None:
            report = partial(job.progress, request_id)
        deadline = job.received_at + (request.timeout_s or self._settings.timeout_s)
        return CallRun(deadline, report, partial(self.cancellations.concern, request_id, job.received_at))

    def _encoded(self, finding: Finding, request_id: str) -> bytes:
        answer = finding.answer()
        if finding.service.wraps_answer:
            answer = {"request_id": request_id, "success": True, **answer}
        body = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
        if len(body) > self._settings.max_answer_bytes:
            raise TooLarge(
                f"the answer has {len(body)} bytes, over `requests.max_answer_bytes` of "
                f"{self._settings.max_answer_bytes}; {finding.kind.shrink}"
            )
        return body


def _frames_in(item: Item | Recording) -> list[Frame]:
    """The pictures that can be drawn into."""
    if isinstance(item, FramePair):
        return [item.a, item.b]
    return [item] if isinstance(item, Frame) else []


def _parsed(payload: bytes) -> Mapping[str, Any]:
    """The JSON object, with a `request_id`."""
    try:
        fields = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the request is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise BadRequest(f"the request must be a JSON object, not {_json_type(fields)}")
    if fields.get("request_id") is None:
        fields["request_id"] = str(uuid.uuid4())
    return fields


def validated(of: Service, fields: Mapping[str, Any]) -> Any:
    """The typed request. Raises `BadRequest` with one sentence that names each wrong field."""
    try:
        return of.request.model_validate(fields, strict=True)
    except ValidationError as error:
        known = ", ".join(of.request.model_fields)
        faults = [_fault(dict(e), known) for e in error.errors(include_url=False)]
        raise BadRequest("; ".join(faults[:5])) from error


def _fault(error: Mapping[str, Any], known: str) -> str:
    field = ".".join(map(str, error["loc"]))
    match error["type"]:
        case "missing":
            return f"the field `{field}` is missing"
        case "extra_forbidden":
            return f"the field `{field[:60]}` is unknown; this service knows {known}"
        case media_fields.WHOLE_SENTENCE:
            return str(error["msg"])
        case _:
            return f"the field `{field}` is wrong: {error['msg']}, got {_json_type(error['input'])}"


def _json_type(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return orjson.dumps(value).decode()
    if isinstance(value, int | float):
        return f"the number {value}"
    return {"str": "a string", "list": "an array", "dict": "an object"}.get(
        type(value).__name__, "another type"
    )


def _options_of(of: Service, request: BaseModel) -> dict[str, Any]:
    """The options that the request names."""
    names = of.options.model_fields.keys() & (request.model_fields_set | of.inside)
    return {name: value for name in names if (value := getattr(request, name)) is not None}


class RequestQueue:
    """A unit, and the `Intake` of all outside worlds: bounded queues, and the threads that answer from them.

    The workers take from two lanes, new requests and those whose media has come; fetches have threads of
    their own, which only wait.
    """

    def __init__(
        self, table: ServiceTable, settings: RequestSettings, workers: int, counters: Counters
    ) -> None:
        self._jobs: Fifo[RequestJob] = Fifo(settings.max_waiting, settings.max_waiting_bytes)
        self._unfetched: Fifo[Call] = Fifo(settings.max_waiting, settings.max_waiting_bytes)
        self._fetched: Fifo[Call] = Fifo(settings.max_waiting, settings.max_waiting_bytes)
        self._recordings: Fifo[Call] = Fifo(settings.max_waiting, settings.max_waiting_bytes)
        self._route = RequestRoute(table, settings, counters)
        self._workers = Scheduler("requests", workers, counters)
        self._workers.add("requests", self._jobs, self._begin, workers)
        self._workers.add("fetched", self._fetched, self._finish, workers)
        # A recording may take minutes: one worker is left for what takes milliseconds.
        self._workers.add("recordings", self._recordings, self._finish, max(1, workers - 1))
        self._fetchers = Scheduler("fetches", settings.fetch.parallel, counters)
        self._fetchers.add("fetches", self._unfetched, self._fetch, settings.fetch.parallel)

    def submit(self, job: RequestJob) -> None:
        """Queue the job. Raises `QueueFull`; then `reply` is not called."""
        self._jobs.put(job, len(job.payload))

    def cancel(self, request_id: str) -> None:
        """Answer a request that came before with 499, unless it is answered already."""
        self._route.cancellations.cancel(request_id)

    def queued(self) -> dict[str, int]:
        """Requests waiting, by what for."""
        return {**self._workers.queued(), **self._fetchers.queued()}

    def start(self) -> None:
        """Start the threads."""
        self._workers.start()
        self._fetchers.start()

    def stop(self) -> None:
        """Finish what is in work; what waits stays with the journal of who submitted it."""
        self._fetchers.stop()
        self._workers.stop()
        while (call := self._fetched.take() or self._recordings.take()) is not None:
            if call.media is not None:
                call.media.file.close()

    def state(self) -> str:
        """`running`, or what is wrong."""
        states = (self._workers.state(), self._fetchers.state())
        return next((state for state in states if state != "running"), "running")

    def beat(self) -> float:
        """The last sign of life of the slowest worker; that a fetch waits long is no fault."""
        return self._workers.beat()

    def _begin(self, job: RequestJob) -> None:
        self._route.step(Call(job), self._opened)

    def _opened(self, call: Call) -> Answer | None:
        self._route.open(call)
        if call.wanted is None:
            return self._route.result(call)
        self._unfetched.put(call, len(call.job.payload))
        return None

    def _fetch(self, call: Call) -> None:
        self._route.step(call, self._handed_back)

    def _handed_back(self, call: Call) -> Answer | None:
        held = self._route.fetch(call)
        (self._recordings if call.served.service.takes_sound else self._fetched).put(call, held)
        return None

    def _finish(self, call: Call) -> None:
        self._route.step(call, self._route.result)
