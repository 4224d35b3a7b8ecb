"""Messages that no broker would take, kept on disk for people."""

import logging
import time
from pathlib import Path

import orjson

from edged.mqtt.outgoing import Outgoing

log = logging.getLogger(__name__)

MOST = 20
"""Files that are kept: the newest."""


class Aside:
    """A folder; each message is a file of JSON. Never raises: where the disk is full, nothing is kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, message: Outgoing, why: str) -> None:
        """Keep a message, and tell it."""
        fields = {
            "why": why,
            "topic": message.topic,
            "correlation": message.correlation.hex(),
            "body": (message.body or b"").decode(errors="replace"),
        }
        path = self._folder / f"{time.time_ns()}.json"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for old in sorted(self._folder.glob("*.json"))[: 1 - MOST or None]:
                old.unlink(missing_ok=True)
            path.write_bytes(orjson.dumps(fields))
        except OSError as error:
            log.error("%s: %s; it cannot be kept: %s", message.named(), why, error)
        else:
            log.error("%s: %s; it is set aside in %s", message.named(), why, path)
