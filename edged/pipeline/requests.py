"""One request's way: raw bytes in the queue, a worker, exactly one answer."""

import logging
import time
import uuid
from collections.abc import Mapping
from typing import Any

import orjson
from pydantic import BaseModel, Field, ValidationError

from edged.contracts import media
from edged.contracts.errors import BadRequest, EdgedError, TooLarge
from edged.contracts.message import Envelope
from edged.contracts.request import Answer, RequestJob, refusal
from edged.contracts.services import SERVICES, Service, service
from edged.contracts.settings import Settings
from edged.contracts.slot import Priority
from edged.flow.counters import Counters
from edged.flow.mailbox import Fifo
from edged.media.picture import PictureLimits
from edged.pipeline.call import CallRun
from edged.pipeline.decode import item_of
from edged.pipeline.scheduler import Scheduler
from edged.pipeline.served import ServiceTable

log = logging.getLogger(__name__)


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


class RequestRoute:
    """A raw request in, exactly one answer out."""

    def __init__(self, table: ServiceTable, settings: RequestSettings, counters: Counters) -> None:
        self._table = table
        self._settings = settings
        self._counters = counters

    def handle(self, job: RequestJob) -> None:
        """Answer the job, whatever happens."""
        started = time.monotonic()
        answer = self.answer(job)
        known = job.service if job.service in SERVICES else "unknown"  # strangers do not name counters
        self._counters.count(f"requests/{known}", str(answer.code))
        self._counters.observe("request", time.monotonic() - started)
        job.reply(answer)

    def answer(self, job: RequestJob) -> Answer:
        """The answer of a job: the result, or the error as `FailedAnswer`."""
        fields: Mapping[str, Any] = {}
        try:
            fields = _parsed(job.payload)
            return self._served(job, fields)
        except EdgedError as error:
            return refusal(fields, error.code, str(error))
        except Exception:
            log.exception("request to %s failed", job.service)
            return refusal(fields, 500, "the daemon failed on this request; its log says why")

    def _served(self, job: RequestJob, fields: Mapping[str, Any]) -> Answer:
        known = service(job.service)
        served = self._table.get(job.service)
        request = validated(known, fields)
        run = self._run(job, request)
        run.check()
        with self._counters.timed("decode"):
            item = item_of(request, self._settings.picture)
        options = served.options_with(_options_of(known, request))
        result = served.instance.infer(item, options, run, Priority.REQUEST)
        with self._counters.timed("encode"):
            body = self._encoded(known, request.request_id or "", result)
        return Answer(request.request_id or "", body, 200, served.instance.facts.name, request.reply_to)

    def _run(self, job: RequestJob, request: Envelope) -> CallRun:
        report = None
        if job.progress is not None:
            tell, request_id = job.progress, request.request_id or ""
            report = lambda done: tell(request_id, done)  # noqa: E731
        return CallRun(job.received_at + (request.timeout_s or self._settings.timeout_s), report)

    def _encoded(self, known: Service, request_id: str, result: Any) -> bytes:
        body = orjson.dumps(known.answer(request_id, result), option=orjson.OPT_SERIALIZE_NUMPY)
        if len(body) > self._settings.max_answer_bytes:
            raise TooLarge(
                f"the answer has {len(body)} bytes, over `requests.max_answer_bytes` of "
                f"{self._settings.max_answer_bytes}; ask for less with the service's options"
            )
        return body


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
        case media.WHOLE_SENTENCE:
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
    names = of.contract.options.model_fields.keys() & request.model_fields_set
    return {name: value for name in names if (value := getattr(request, name)) is not None}


class RequestQueue:
    """A unit, and the `Intake` of all outside worlds: a bounded queue and the workers that answer from it."""

    def __init__(
        self, table: ServiceTable, settings: RequestSettings, workers: int, counters: Counters
    ) -> None:
        self._jobs: Fifo[RequestJob] = Fifo(settings.max_waiting, settings.max_waiting_bytes)
        self._scheduler = Scheduler("requests", workers, counters)
        self._scheduler.add("requests", self._jobs, RequestRoute(table, settings, counters).handle, workers)

    def submit(self, job: RequestJob) -> None:
        """Queue the job. Raises `QueueFull`; then `reply` is not called."""
        self._jobs.put(job, len(job.payload))

    def queued(self) -> dict[str, int]:
        """Requests waiting."""
        return self._scheduler.queued()

    def start(self) -> None:
        """Start the workers."""
        self._scheduler.start()

    def stop(self) -> None:
        """Finish what is in work; what waits stays with the journal of who submitted it."""
        self._scheduler.stop()

    def state(self) -> str:
        """`running`, or what is wrong."""
        return self._scheduler.state()

    def beat(self) -> float:
        """The last sign of life of the slowest worker."""
        return self._scheduler.beat()
