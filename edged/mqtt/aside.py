"""Messages that the broker does not take: told, and what somebody waits for is kept on disk for people."""

import logging
import time
from dataclasses import replace
from pathlib import Path

import orjson

from edged.flow.counters import Counters
from edged.mqtt.carrier import LARGEST
from edged.mqtt.fitting import refused
from edged.mqtt.outgoing import Outgoing

log = logging.getLogger(__name__)

MOST = 20
"""Files that are kept: the newest."""
MOST_TOLD = 100
"""Topics of which it is said: a line for each, not for each frame."""
TOO_LARGE = "larger than what the broker takes"
DEADLY = "the connection to the broker was lost each time it was sent"


class Aside:
    """A folder; each message is a file of JSON. Never raises: where the disk is full, nothing is kept."""

    def __init__(self, folder: Path, counters: Counters) -> None:
        self._folder = folder
        self._counters = counters
        self._told: set[str] = set()

    def drop(self, message: Outgoing, why: str) -> None:
        """Nothing of it gets through."""
        self._counters.count("mqtt_dropped", why)
        if message.policy == "answer" and not message.is_last_word:
            self._keep(message, why)
        elif message.topic not in self._told and len(self._told) < MOST_TOLD:
            self._told.add(message.topic)
            log.error("%s is dropped: %s", message.named(), why)

    def condemn(self, message: Outgoing) -> Outgoing | None:
        """Connections died on it, and on nothing else. What is sent instead: 413, if it was an answer."""
        if message.is_last_word or message.policy == "latest":
            self.drop(message, DEADLY)
            return None
        self._counters.count("mqtt_set_aside", message.policy)
        self._keep(message, DEADLY)
        why = f"the answer ({len(message.body or b'')} bytes) cannot be sent: {DEADLY}"
        said = refused(replace(message, correlation=b""), why, LARGEST, speaks_5=False)
        return replace(said, deaths=0, deaths_alone=0, is_last_word=True) if said is not None else None

    def _keep(self, message: Outgoing, why: str) -> None:
        fields = {
            "why": why,
            "topic": message.topic,
            "correlation": message.correlation.hex(),
            "body": (message.body or b"").decode(errors="replace"),
        }
        path = self._folder / f"{time.time_ns()}.json"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for old in sorted(self._folder.glob("*.json"))[: 1 - MOST]:
                old.unlink(missing_ok=True)
            path.write_bytes(orjson.dumps(fields))
        except OSError as error:
            log.error("%s: %s; it cannot be kept: %s", message.named(), why, error)
        else:
            log.error("%s: %s; it is set aside in %s", message.named(), why, path)
