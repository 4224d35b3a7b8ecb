"""Verbs on `edged/<node>/control/<verb>`: run one after the other, each answered."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from paho.mqtt.client import MQTTMessage

from edged.contracts.errors import EdgedError, NotFound
from edged.contracts.message import ControlAnswer
from edged.contracts.verb import Done, Verb
from edged.flow.counters import Counters
from edged.mqtt.outbox import Outbox
from edged.mqtt.topics import Topics
from edged.requests.parse import json_object

log = logging.getLogger(__name__)

MOST_BYTES = 65_536
"""Of an order: a JSON object with a name or two."""
MOST_WAITING = 64
"""Orders; together with `MOST_BYTES` this bounds what they hold."""


class ControlDesk:
    """Has a thread of its own, so that a slow verb holds up no request."""

    def __init__(self, topics: Topics, verbs: Mapping[str, Verb], outbox: Outbox, counters: Counters) -> None:
        self._topics = topics
        self._verbs = verbs
        self._outbox = outbox
        self._counters = counters
        self._worker = ThreadPoolExecutor(1, "mqtt-control")
        self._room = threading.BoundedSemaphore(MOST_WAITING)

    def close(self) -> None:
        """What has not begun is dropped."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    def take(self, verb: str, message: MQTTMessage, ack: Callable[[], object]) -> None:
        """Acknowledged before it is run: an order is carried out once or not at all."""
        ack()
        if message.retain:  # an order of long ago
            self._counters.count("mqtt_control", "retained, not obeyed")
            return
        correlation = getattr(message.properties, "CorrelationData", b"")
        length = len(message.payload)
        if length > MOST_BYTES:
            why = f"the order has {length} bytes, {MOST_BYTES} are allowed"
        elif not self._room.acquire(blocking=False):
            why = f"{MOST_WAITING} orders wait already; try again later"
        else:
            try:
                self._worker.submit(self._run, verb, bytes(message.payload), correlation)
                return
            except RuntimeError:  # closed
                why = "the daemon ends; nothing was done"
        self._counters.count("mqtt_control", "refused")
        self._answer(verb, correlation, False, Done(why))

    def _run(self, verb: str, payload: bytes, correlation: bytes) -> None:
        self._room.release()
        started = time.monotonic()
        try:
            done = self._known(verb)(json_object(payload or b"{}", "the message"))
            told = done if isinstance(done, Done) else Done(done)
            success = True
        except EdgedError as error:
            success, told = False, Done(str(error))
        except Exception:  # the boundary of a request
            log.exception("control/%s failed", verb)
            success, told = False, Done("the daemon failed on this; its log says why")
        self._counters.count("mqtt_control", "done" if success else "failed")
        log.info("control/%s: %s (%.0f ms)", verb, told.message, (time.monotonic() - started) * 1000)
        self._answer(verb, correlation, success, told)

    def _answer(self, verb: str, correlation: bytes, success: bool, told: Done) -> None:
        answer = ControlAnswer(verb=verb, success=success, message=told.message, recording=told.recording)
        body = answer.model_dump_json(exclude_none=True).encode()
        self._outbox.ring(self._topics.control_response(verb), body, qos=1, correlation=correlation)

    def _known(self, verb: str) -> Verb:
        try:
            return self._verbs[verb]
        except KeyError:
            raise NotFound(f"there is no verb {verb!r}; known are {', '.join(sorted(self._verbs))}") from None
