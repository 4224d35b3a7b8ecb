"""Requests to `edged/any` that several daemons share: how many a second, whose, what a killed one costs."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edged.mqtt.attempt import without_delay
from tests.broker import LIMIT, until
from tests.e2e.box import Daemon, running
from tests.fleet.light import SERVICE, configured, request

REPLIES = "customer/replies"
AT_A_TIME = 16
STRANDED_S = 2.0
"""So long a place is kept for one that is not answered."""


class Customer:
    """Asks the fleet, so many at a time, and notes when each was answered."""

    def __init__(self, port: int, at_a_time: int = AT_A_TIME) -> None:
        self.answered: dict[int, list[float]] = {}
        """When, by number of the request; twice is twice."""
        self.failed: list[bytes] = []
        self.infos: set[str] = set()
        """Nodes that serve it."""
        self.served: dict[str, int] = {}
        """Requests that each node has answered, by its own count."""
        self._asked_at: dict[int, float] = {}
        self._body = request()
        self._room = threading.Semaphore(at_a_time)
        self._lock = threading.Lock()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self._client.max_inflight_messages_set(0)
        self._client.on_message = lambda _c, _u, message: self._take(message)
        self._client.on_socket_open = without_delay
        ready = threading.Event()
        self._client.on_subscribe = lambda *_: ready.set()
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._client.subscribe([(REPLIES, 1), ("edged/+/info", 1), ("edged/+/health", 1)])
        assert ready.wait(LIMIT)

    def ask(self, number: int) -> None:
        """Ask one, as soon as fewer than so many are unanswered."""
        self._room.acquire(timeout=STRANDED_S)  # else some are with a daemon that is gone
        self.again(number)

    def again(self, number: int) -> None:
        """Ask it, whether or not it was asked before."""
        properties = Properties(PacketTypes.PUBLISH)
        properties.ResponseTopic = REPLIES
        properties.CorrelationData = b"%d" % number
        with self._lock:
            self._asked_at[number] = time.monotonic()
        self._client.publish(f"edged/any/request/{SERVICE}", self._body, 1, properties=properties)

    def overdue(self, seconds: float) -> list[int]:
        """Asked so long ago, and not answered."""
        before = time.monotonic() - seconds
        with self._lock:
            return [n for n, at in self._asked_at.items() if n not in self.answered and at < before]

    def twice(self) -> list[int]:
        """Those that were answered more than once."""
        return [number for number, times in self.answered.items() if len(times) > 1]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _take(self, message: paho.MQTTMessage) -> None:
        if message.topic.endswith("/health"):
            health = orjson.loads(message.payload)
            self.served[health["node"]] = sum(health["counters"].get(f"requests/{SERVICE}", {}).values())
            return
        if message.topic != REPLIES:
            info = orjson.loads(message.payload)
            if any(one["service"] == SERVICE and one["state"] == "ready" for one in info["services"]):
                self.infos.add(info["node"])
            return
        number = int(message.properties.CorrelationData)  # type: ignore[union-attr]
        with self._lock:
            times = self.answered.setdefault(number, [])
            times.append(time.monotonic())
        if not orjson.loads(message.payload)["success"]:
            self.failed.append(message.payload)
        if len(times) == 1:
            self._room.release()


@dataclass
class Outcome:
    """What became of the requests of one run."""

    daemons: int
    requests: int
    seconds: float = 0.0
    """From the first request to the last answer, before anything is asked again."""
    shares: dict[str, int] = field(default_factory=dict)
    """Requests that each daemon answered, by its own count; of one that was killed what the others left."""
    stranded: int = 0
    """Of a killed daemon: unanswered until they were asked again, or it was started again."""
    asked_again: int = 0
    lost: int = 0
    """Never answered."""
    twice: int = 0
    """Answered twice: by another daemon and, after its start, by the killed one; or by the killed one before
    and after, where the broker had not acknowledged the answer."""


@contextmanager
def fleet(folder: Path, port: int, daemons: int) -> Iterator[tuple[Customer, list[Daemon]]]:
    """So many daemons, ready, and a customer."""
    with ExitStack() as stack:
        customer = Customer(port)
        stack.callback(customer.close)
        started = [
            stack.enter_context(running(configured(folder, f"node-{n}", port), port, f"node-{n}"))
            for n in range(daemons)
        ]
        until(lambda: len(customer.infos) == daemons, "all are ready", 120)
        until(lambda: all(one.said("-any") for one in started), "all share")
        yield customer, started


def undisturbed(customer: Customer, daemons: list[Daemon], requests: int) -> Outcome:
    """All of them stay."""
    began = time.monotonic()
    for number in range(requests):
        customer.ask(number)
    until(lambda: len(customer.answered) == requests, "all are answered", 120)
    last = max(times[0] for times in customer.answered.values())
    return _outcome(customer, daemons, requests, last - began)


def one_killed(
    folder: Path, customer: Customer, daemons: list[Daemon], requests: int, retry_s: float | None
) -> Outcome:
    """The first is killed when half is asked, and started again at the end.

    `retry_s`: after so long without an answer the customer asks again; none: it waits for the start.
    """
    began = time.monotonic()
    for number in range(requests):
        if number == requests // 2:
            daemons[0].stop(signal.SIGKILL)
        customer.ask(number)
    stranded = _settled(customer)
    last = max(times[0] for times in customer.answered.values())
    asked_again = 0
    if retry_s is not None:
        for number in (again := customer.overdue(retry_s)):
            customer.again(number)
        asked_again = len(again)
        until(lambda: len(customer.answered) == requests, "the others answer what is asked again")
    outcome = _outcome(customer, daemons, requests, last - began)
    port = daemons[0].port
    with running(configured(folder, "node-0", port), port, "node-0") as there_again:
        until(lambda: there_again.said("subscribe to:"), "it is there again", 120)
        time.sleep(3)
        outcome.lost = requests - len(customer.answered)
    outcome.stranded, outcome.asked_again, outcome.twice = stranded, asked_again, len(customer.twice())
    return outcome


def _settled(customer: Customer, seconds: float = 3.0) -> int:
    """Unanswered once no answer has come for so long."""
    known = -1
    while known != (now := len(customer.overdue(0))):
        known = now
        time.sleep(seconds)
    return known


def _outcome(customer: Customer, daemons: list[Daemon], requests: int, seconds: float) -> Outcome:
    assert not customer.failed, customer.failed[0]
    living = [one for one in daemons if one.process.poll() is None]
    time.sleep(1.5)  # until they have told their health once more
    shares = {one.node: customer.served[one.node] for one in living}
    for one in daemons:
        if one not in living:
            shares[one.node] = len(customer.answered) - sum(shares.values())
    return Outcome(len(daemons), requests, seconds, shares)
