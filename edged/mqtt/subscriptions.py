"""What one connection is subscribed to, kept equal to what is wanted."""

import threading
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

_FAILURE = 0x80


class Subscriptions:
    """Safe from all threads: services come and go in theirs, the broker answers in paho's."""

    def __init__(self, wanted: Callable[[], tuple[str, ...]], *, looks_back: bool = False) -> None:
        """`wanted` gives the filters that are wanted now; `looks_back`: as in `Membership`."""
        self._wanted = wanted
        self._looks_back = looks_back
        self._lock = threading.Lock()
        self._filters: tuple[str, ...] = ()
        """What we asked for."""
        self._asked: dict[int, tuple[str, ...]] = {}
        """Filters that the broker has not granted or refused yet, by packet."""
        self._refused: dict[str, str] = {}

    def follow(self, client: paho.Client, speaks_5: bool) -> bool:
        """Ask for what is wanted now, and for nothing else. True: no answer of the broker is outstanding."""
        with self._lock:
            wanted = self._wanted()
            new = tuple(topic for topic in wanted if topic not in self._filters)
            gone = [topic for topic in self._filters if topic not in wanted]
            self._filters = wanted
            if new and (number := client.subscribe(self._with_options(new, speaks_5))[1]) is not None:
                self._asked[number] = new
            if gone:
                client.unsubscribe(gone)
            self._refused = {topic: why for topic, why in self._refused.items() if topic not in gone}
            return not self._asked

    def told(self, number: int, reasons: list[ReasonCode]) -> None:
        """The broker has answered."""
        with self._lock:
            answers = zip(self._asked.pop(number, ()), reasons, strict=False)
            self._refused |= {topic: str(why) for topic, why in answers if why.value >= _FAILURE}

    def refused(self) -> list[str]:
        """Filters that the broker refused, with its reasons."""
        return [f"{topic} ({why})" for topic, why in self._refused.items()]

    def _with_options(self, filters: tuple[str, ...], speaks_5: bool) -> Any:
        """With QoS 1, for a node, to which what is retained was not said."""
        qos = 0 if self._looks_back else 1
        handling = (
            SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE
            if self._looks_back
            else SubscribeOptions.RETAIN_DO_NOT_SEND
        )
        options = SubscribeOptions(qos=qos, retainHandling=handling)
        return [(topic, options if speaks_5 else qos) for topic in filters]
