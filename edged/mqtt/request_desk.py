"""Requests over MQTT: journalled, acknowledged, handed to the pipeline, answered exactly once."""

import logging
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from paho.mqtt.client import MQTTMessage

from edged.contracts.errors import BadRequest, InferenceError, QueueFull, RequestError, TooLarge
from edged.contracts.message import Progress
from edged.contracts.request import Answer, Intake, RequestJob, refusal
from edged.flow.counters import Counters
from edged.mqtt.address import WORLD, Address
from edged.mqtt.outbox import Outbox
from edged.mqtt.outgoing import Outgoing
from edged.mqtt.topics import Topics, response_topic
from edged.requests.doubles import Delivery, Doubles, identity
from edged.requests.journal import Addressed, Journal, Request
from edged.requests.peek import PARSED_BYTES, peek

log = logging.getLogger(__name__)

Ack = Callable[[], object]
"""Tells the broker that the message is safe with us."""


@dataclass(slots=True)
class _Pending:
    """A request between its arrival and its answer."""

    request: Request
    address: Address
    row: int | None = None
    """In the journal; none: it could not be written."""
    owed: deque[Ack] = field(default_factory=deque)
    """Acknowledgements that wait until the journal keeps the request, or its answer has arrived."""
    came: Delivery | None = None
    """None: to another process."""

    def acknowledge(self) -> None:
        """The broker need not keep it any more."""
        while True:
            try:
                ack = self.owed.popleft()
            except IndexError:
                return
            ack()


class _Unkept:
    """Requests that the journal does not keep, or not yet: their doubles are owed an ack, too."""

    def __init__(self) -> None:
        self._pending: dict[bytes, _Pending] = {}
        self._lock = threading.Lock()

    def add(self, pending: _Pending) -> None:
        with self._lock:
            self._pending[pending.request.identity] = pending

    def kept(self, pending: _Pending) -> None:
        """The journal has the request or its answer, or the client has that."""
        with self._lock:
            if self._pending.get(pending.request.identity) is pending:  # else its name is used again
                del self._pending[pending.request.identity]
        pending.acknowledge()

    def owes(self, name: bytes, ack: Ack) -> bool:
        """Whether `ack` will be called with the first one's answer."""
        with self._lock:
            if (first := self._pending.get(name)) is None:
                return False
            first.owed.append(ack)
            return True


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a message asks, unchecked."""

    name: bytes
    """Equal for doubles."""
    named: bool
    """By the client."""
    payload: bytes
    wanted: Address
    came: Delivery


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
        self.doubles = Doubles()
        self._unkept = _Unkept()
        self._closed = False

    def load(self) -> list[tuple[int, Request]]:
        """Remember what the journal knows; what it has without an answer is to be given to `resume`."""
        known = self._journal.identities(WORLD)
        self.doubles.load((name, Address.read(reply).packet) for name, reply in known)
        asked = self._journal.left(WORLD)
        for _, request in asked:
            self.doubles.resume(request.identity)
        return asked

    def close(self) -> None:
        """Take and answer nothing any more: the journal and the broker keep it for the next start."""
        self._closed = True

    def take(self, service: str, message: MQTTMessage, ack: Ack, connection: object) -> None:
        """A message on a request topic. Every path ends in one answer, or it is a double.

        `connection`: what came by it and is not acknowledged comes again by the next one; none: it does not.
        """
        if self._closed:
            return
        try:
            self._take(service, message, ack, connection)
        except Exception:  # the boundary of a request; unacknowledged, the broker would send it for ever
            log.exception("a request to %s cannot be taken", service)
            self._counters.count("mqtt_requests", "failed to be taken")
            ack()

    def resume(self, row: int, request: Request) -> bool:
        """Hand a journalled request to the pipeline again. False: there is no room now."""
        pending = _Pending(request, Address.read(request.reply), row)
        payload = self._journal.payload(row)
        if payload is None:
            self._refuse(pending, b"", InferenceError("the request was lost with the power; send it again"))
            return True
        received_at = time.monotonic() - self._journal.waited(row)
        try:
            self._intake.submit(self._job(pending, payload, received_at))
        except QueueFull:
            return False
        self._counters.count("mqtt_requests", "resumed")
        return True

    def _take(self, service: str, message: MQTTMessage, ack: Ack, connection: object) -> None:
        if message.retain:  # asked before we subscribed, maybe years ago
            self._counters.count("mqtt_requests", "retained, not served")
            ack()
            return
        asked = _asked(service, message, connection, self._max_bytes)
        if self.doubles.enter(asked.name, asked.named, asked.came):
            self._serve(service, asked, ack)
            return
        self._counters.count("mqtt_requests", "double")
        if not self._unkept.owes(asked.name, ack):
            ack()

    def _serve(self, service: str, asked: _Asked, ack: Ack) -> None:
        self._counters.count("mqtt_requests", "taken")
        payload, (address, fault) = asked.payload, _checked(self._topics, asked.wanted)
        request = Request(asked.name, service, WORLD, address.written(), time.time())
        pending = _Pending(request, address, owed=deque([ack]), came=asked.came)
        self._unkept.add(pending)
        try:
            if fault is not None:
                raise fault
            _check_length(payload, self._max_bytes)
            self._keep(pending, payload)
            self._intake.submit(self._job(pending, payload, time.monotonic()))
        except RequestError as error:
            self._refuse(pending, payload, error)

    def _keep(self, pending: _Pending, payload: bytes) -> None:
        """In the journal, and acknowledged once it is safe there; else in memory, and with its answer."""
        pending.row = self._journal.ask(pending.request, payload)
        if pending.row is not None:
            self._journal.once_kept(partial(self._unkept.kept, pending))

    def _job(self, pending: _Pending, payload: bytes, received_at: float) -> RequestJob:
        return RequestJob(
            pending.request.service,
            payload,
            received_at,
            reply=partial(self._reply, pending),
            key=pending.request.identity + struct.pack("d", pending.request.received),
            progress=partial(self._progress, received_at),
        )

    def _refuse(self, pending: _Pending, payload: bytes, error: RequestError) -> None:
        self._counters.count("mqtt_requests", f"refused {error.code}")
        self._reply(pending, refusal(peek(payload), error.code, str(error), pending.request.service))

    def _reply(self, pending: _Pending, answer: Answer) -> None:
        if self._closed:  # the journal or the broker still has the request
            return
        request = pending.request
        to, answer = _addressed(self._topics, request.service, pending.address, answer)
        row = self._journal.answer(pending.row, request, Addressed(to.written(), answer))
        self.doubles.answered(request.identity)
        acknowledged = not pending.owed
        if row is not None:
            self._journal.once_kept(partial(self._unkept.kept, pending))
        message = Outgoing(
            to.topic,
            answer.body,
            "answer",
            1,
            correlation=to.correlation,
            answer=answer,
            service=request.service,
            row=pending.row if row is None else row,
            arrived=partial(self._arrived, pending, acknowledged),
        )
        self._outbox.answer(message, on_disk=row is not None)

    def _arrived(self, pending: _Pending, acknowledged: bool, connection: object) -> bool:
        """The broker has the answer; `acknowledged`: the request was, before the answer went out."""
        self._unkept.kept(pending)
        came = pending.came
        return acknowledged and came is not None and self.doubles.acknowledged(came, connection)

    def _progress(self, received_at: float, request_id: str, done: float) -> None:
        spent = time.monotonic() - received_at
        eta_s = round(spent * (1 - done) / done, 1) if done > 0 else None
        body = Progress(done=round(done, 3), eta_s=eta_s).model_dump_json().encode()
        self._outbox.ring(self._topics.progress(request_id), body)


def _asked(service: str, message: MQTTMessage, connection: object, max_bytes: int) -> _Asked:
    """Of a longer payload than `max_bytes` only the beginning tells it from others."""
    payload = bytes(message.payload)
    properties: Any = message.properties
    topic: str = getattr(properties, "ResponseTopic", "")
    correlation: bytes = getattr(properties, "CorrelationData", b"")
    named = bool(correlation) or b'"request_id"' in payload
    number = None if named else message.mid  # the broker keeps it when it sends again
    packet = message.mid if message.qos and connection is not None else 0
    name = identity(
        payload if len(payload) <= max_bytes else payload[:PARSED_BYTES],
        *(service.encode(), topic.encode(), correlation, str(number).encode()),
    )
    wanted = Address(topic, correlation, packet)
    return _Asked(name, named, payload, wanted, Delivery(connection, packet, message.dup))


def _check_length(payload: bytes, most: int) -> None:
    if len(payload) > most:
        raise TooLarge(f"the request has {len(payload)} bytes, `mqtt.max_payload_bytes` allows {most}")


def _checked(topics: Topics, wanted: Address) -> tuple[Address, BadRequest | None]:
    """The address if an answer may go there; else the one without a topic, and why."""
    try:
        return replace(
            wanted, topic=response_topic(wanted.topic, topics.prefix) if wanted.topic else ""
        ), None
    except BadRequest as error:
        return replace(wanted, topic=""), error


def _addressed(topics: Topics, service: str, asked: Address, answer: Answer) -> tuple[Address, Answer]:
    """MQTT 5's response topic, else the JSON's `reply_to`, else the topic that is made from the id."""
    topic = asked.topic or answer.reply_to
    try:
        if topic:
            return replace(asked, topic=response_topic(topic, topics.prefix)), answer
    except BadRequest as error:
        fields = {"request_id": answer.request_id}
        answer = refusal(fields, error.code, f"`reply_to`: {error}", service, answer.model)
    return replace(asked, topic=topics.response(service, answer.request_id)), answer
