"""A connection that reads what all nodes of a broker retain, and knows when it has it all."""

import time
from collections.abc import Callable

import paho.mqtt.client as paho

from edged.contracts.errors import NotReady
from edged.fleet.board import Board
from edged.mqtt.carrier import Carrier, Events
from edged.mqtt.connection import Connection
from edged.mqtt.membership import as_lookout
from edged.mqtt.settings import MqttSettings

PATIENCE_S = 15.0
"""Seconds for a broker to answer; as long as it takes to find that it speaks 3.1.1 only."""
FAULT_S = 3.0
"""A fault that lasts so long is no mistake."""
MOST_S = 60.0
"""Seconds until it is taken for complete in any case: a bridge may mark all that comes as retained."""
_STEP_S = 0.05


class Lookout:
    """Publishes nothing. The board has what is retained once `complete` has returned, and follows after."""

    def __init__(self, settings: MqttSettings, board: Board) -> None:
        self._board = board
        self._heard_at = 0.0
        events = Events(lambda _: None, lambda _: None, self._heard)
        self._connection = Connection(settings, as_lookout(settings), events)

    def start(self) -> None:
        """Connect."""
        self._connection.start()

    def stop(self) -> None:
        """Disconnect."""
        self._connection.stop()

    def state(self) -> str:
        """`running`, or why nothing comes now."""
        return self._connection.state()

    def complete(self, silence_s: float) -> None:
        """Wait until nothing retained has come for so long. Raises `NotReady` when there is no broker."""
        began = time.monotonic()
        while (state := self.state()) != "running":
            waited = time.monotonic() - began
            faulty = not state.startswith("connecting to ")
            if waited > PATIENCE_S or (faulty and waited > FAULT_S):
                raise NotReady(state)
            time.sleep(_STEP_S)
        self._heard_at = time.monotonic()
        ends_at = self._heard_at + MOST_S
        while (left := min(self._heard_at + silence_s, ends_at) - time.monotonic()) > 0:
            time.sleep(min(left, _STEP_S))
        if (state := self.state()) != "running":
            raise NotReady(state)

    def _heard(self, _: Carrier, message: paho.MQTTMessage, _ack: Callable[[], object]) -> None:
        """With QoS 0: there is nothing to acknowledge."""
        if message.retain:
            self._heard_at = time.monotonic()
        self._board.take(message.topic, bytes(message.payload))
