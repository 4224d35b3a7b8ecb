"""The embedded broker where mosquitto is not installed: amqtt, as a process of its own.

Started as `python -m edged.mqtt.fallback HOST:PORT BYTES [PASSWORD_FILE]`. It speaks MQTT 3.1.1 only, shares
no subscriptions, and a killed daemon's unacknowledged messages are gone. Imported by nobody, for amqtt is an
extra.
"""

import asyncio
import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amqtt.adapters import ReaderAdapter
from amqtt.broker import Broker
from amqtt.mqtt.packet import MQTTFixedHeader
from amqtt.plugins.base import BaseAuthPlugin
from amqtt.session import Session

from edged.mqtt.passwords import accepts

PARENT_CHECK_S = 1.0


class PasswordFile(BaseAuthPlugin):  # type: ignore[misc] # amqtt has no types for mypy
    """Lets in whom the file knows; amqtt's own plug-in reads other files than mosquitto's."""

    async def authenticate(self, *, session: Session) -> bool:
        """One client that wants in."""
        return await asyncio.to_thread(
            accepts, Path(self.config.password_file), session.username, session.password
        )

    @dataclass
    class Config:
        """Filled in by amqtt from `configuration`."""

        password_file: str


def refuse_packets_over(largest: int) -> None:
    """Hang up on who sends a longer one, before it is read; amqtt has no such setting."""
    read = MQTTFixedHeader.from_stream

    async def bounded(reader: ReaderAdapter) -> MQTTFixedHeader | None:
        header = await read(reader)
        return header if header is not None and header.remaining_length <= largest else None

    MQTTFixedHeader.from_stream = bounded


def configuration(bind: str, password_file: str | None) -> dict[str, Any]:
    """For amqtt: whoever is let in may do everything; without a file, everybody is."""
    plugins = (
        {"edged.mqtt.fallback.PasswordFile": {"password_file": password_file}}
        if password_file
        else {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    )
    return {"listeners": {"default": {"type": "tcp", "bind": bind}}, "plugins": plugins}


async def serve(bind: str, password_file: str | None) -> None:
    """Run until the process that started us is gone."""
    parent = os.getppid()
    broker = Broker(configuration(bind, password_file))
    await broker.start()
    while os.getppid() == parent:
        await asyncio.sleep(PARENT_CHECK_S)
    await broker.shutdown()


def main() -> None:
    """The process."""
    logging.basicConfig(level=logging.CRITICAL)  # it logs a traceback for every client that goes away
    bind, largest, *rest = sys.argv[1:]
    refuse_packets_over(int(largest))
    asyncio.run(serve(bind, rest[0] if rest else None))


if __name__ == "__main__":
    main()
