"""Requests over MQTT: journalled, acknowledged, handed to the pipeline, answered exactly once."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from paho.mqtt.client import MQTTMessage

from edged.contracts.errors import BadRequest, InferenceError, QueueFull, RequestError, TooLarge
from edged.contracts.message import Progress
from edged.contracts.request import PARSED_BYTES, Answer, Intake, RequestJob, peek, refusal
from edged.flow.counters import Counters
from edged.mqtt.doubles import Doubles, identity
from edged.mqtt.journal import Addressed, Journal, Request
from edged.mqtt.publish import Outbox
from edged.mqtt.topics import Topics, response_topic

log = logging.getLogger(__name__)

Ack = Callable[[], object]
"""Tells the broker that the message is safe with us."""


@dataclass(slots=True)
class _Pending:
    """A request between its arrival and its answer."""

    request: Request
    row: int | None = None
    """In the journal; none: it could not be written."""
    owed: list[Ack] = field(default_factory=list)
    """Acknowledgements that wait for the answer, because the journal does not have the request."""


class RequestDesk:
    """Takes requests from both connections' threads; answers come back from the workers' threads."""

    def __init__(
        self,
        topics: Topics,
        *,
        max_payload_bytes: int,
        intake: Intake,
        journal: Journal,
        outbox: Outbox,
        counters: Counters,
    ) -> None:
        self._topics = topics
        self._max_bytes = max_payload_bytes
        self._intake = intake
        self._journal = journal
        self._outbox = outbox
        self._counters = counters
        self._doubles = Doubles()
        self._unjournalled: dict[bytes, _Pending] = {}
        self._lock = threading.Lock()
        self._closed = False

    def load(self) -> list[tuple[int, Request]]:
        """Remember what the journal knows; what it has without an answer is to be given to `resume`."""
        self._doubles.load(self._journal.identities())
        asked = self._journal.asked()
        for _, request in asked:
            self._doubles.enter(request.identity, named=False, redelivered=False)
        return asked

    def close(self) -> None:
        """Take and answer nothing any more: the journal and the broker keep it for the next start."""
        self._closed = True

    def take(self, service: str, message: MQTTMessage, ack: Ack) -> None:
        """A message on a request topic. Every path ends in one answer, or it is a double."""
        if self._closed:
            return
        try:
            self._take(service, message, ack)
        except Exception:  # the boundary of a request; unacknowledged, the broker would send it for ever
            log.exception("a request to %s cannot be taken", service)
            self._counters.count("mqtt_requests", "failed to be taken")
            ack()

    def resume(self, row: int, request: Request) -> bool:
        """Hand a journalled request to the pipeline again. False: there is no room now."""
        pending = _Pending(request, row)
        payload = self._journal.payload(row)
        if payload is None:
            self._refuse(pending, b"", InferenceError("the request was lost with the power; send it again"))
            return True
        waited = max(0.0, time.time() - request.received)
        try:
            self._intake.submit(self._job(pending, payload, time.monotonic() - waited))
        except QueueFull:
            return False
        self._counters.count("mqtt_requests", "resumed")
        return True

    def _take(self, service: str, message: MQTTMessage, ack: Ack) -> None:
        if message.retain:  # asked before we subscribed, maybe years ago
            self._counters.count("mqtt_requests", "retained, not served")
            ack()
            return
        payload = bytes(message.payload)
        properties: Any = message.properties
        wanted: str = getattr(properties, "ResponseTopic", "")
        correlation: bytes = getattr(properties, "CorrelationData", b"")
        named = bool(correlation) or b'"request_id"' in payload
        name = identity(
            service,
            wanted,
            correlation,
            payload if len(payload) <= self._max_bytes else payload[:PARSED_BYTES],
            None if named else message.mid,
        )
        if not self._doubles.enter(name, named, message.dup):
            self._acknowledge_double(name, ack)
            return
        pending = _Pending(Request(name, service, "", correlation, time.time()), owed=[ack])
        self._serve(pending, payload, wanted)

    def _serve(self, pending: _Pending, payload: bytes, wanted: str) -> None:
        request = pending.request
        self._counters.count("mqtt_requests", "taken")
        try:
            topic = response_topic(wanted) if wanted else ""
            pending.request = request = _with_topic(request, topic)
            if len(payload) > self._max_bytes:
                raise TooLarge(
                    f"the request has {len(payload)} bytes, `mqtt.max_payload_bytes` allows {self._max_bytes}"
                )
            self._keep(pending, payload)
            self._intake.submit(self._job(pending, payload, time.monotonic()))
        except RequestError as error:
            self._refuse(pending, payload, error)

    def _keep(self, pending: _Pending, payload: bytes) -> None:
        """On disk, then acknowledged at once; else in memory, and acknowledged with its answer."""
        pending.row = self._journal.ask(pending.request, payload)
        if pending.row is not None:
            _acknowledge(pending)
        else:
            with self._lock:
                self._unjournalled[pending.request.identity] = pending

    def _acknowledge_double(self, name: bytes, ack: Ack) -> None:
        self._counters.count("mqtt_requests", "double")
        with self._lock:
            first = self._unjournalled.get(name)
            if first is not None:
                first.owed.append(ack)
                return
        ack()

    def _job(self, pending: _Pending, payload: bytes, received_at: float) -> RequestJob:
        return RequestJob(
            pending.request.service,
            payload,
            received_at,
            reply=partial(self._reply, pending),
            progress=partial(self._progress, received_at),
        )

    def _refuse(self, pending: _Pending, payload: bytes, error: RequestError) -> None:
        self._counters.count("mqtt_requests", f"refused {error.code}")
        self._reply(pending, refusal(peek(payload), error.code, str(error)))

    def _reply(self, pending: _Pending, answer: Answer) -> None:
        if self._closed:  # the journal or the broker still has the request
            return
        out = self._addressed(pending.request, answer)
        row = self._journal.answer(pending.row, pending.request, out)
        self._doubles.answered(pending.request.identity)
        with self._lock:
            self._unjournalled.pop(pending.request.identity, None)
        if row is not None:
            _acknowledge(pending)
        known = pending.row if row is None else row
        self._outbox.answer(out, known, on_disk=row is not None, arrived=partial(_acknowledge, pending))

    def _addressed(self, request: Request, answer: Answer) -> Addressed:
        """MQTT 5's response topic, else the JSON's `reply_to`, else the topic that is made from the id."""
        topic = request.response_topic or answer.reply_to
        try:
            if topic:
                return Addressed(response_topic(topic), request.correlation, answer)
        except BadRequest as error:
            answer = refusal({"request_id": answer.request_id}, error.code, f"`reply_to`: {error}")
        own = self._topics.response(request.service, answer.request_id)
        return Addressed(own, request.correlation, answer)

    def _progress(self, received_at: float, request_id: str, done: float) -> None:
        spent = time.monotonic() - received_at
        eta_s = round(spent * (1 - done) / done, 1) if done > 0 else None
        body = Progress(done=round(done, 3), eta_s=eta_s).model_dump_json().encode()
        self._outbox.ring(self._topics.progress(request_id), body)


def _with_topic(request: Request, topic: str) -> Request:
    return Request(request.identity, request.service, topic, request.correlation, request.received)


def _acknowledge(pending: _Pending) -> None:
    while pending.owed:
        pending.owed.pop()()
