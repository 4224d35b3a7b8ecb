"""The embedded broker where mosquitto is not installed: amqtt, as a process of its own.

Started as `python -m edged.mqtt.fallback PORT`. It speaks MQTT 3.1.1 only, shares no subscriptions, and a
killed daemon's unacknowledged messages are gone. Imported by nobody: amqtt is an extra.
"""

import asyncio
import logging
import os
import sys
from typing import Any

from amqtt.broker import Broker

PARENT_CHECK_S = 1.0


def configuration(port: int) -> dict[str, Any]:
    """For amqtt: everybody on this machine may do everything."""
    return {
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }


async def serve(port: int) -> None:
    """Run until the process that started us is gone."""
    parent = os.getppid()
    broker = Broker(configuration(port))
    await broker.start()
    while os.getppid() == parent:
        await asyncio.sleep(PARENT_CHECK_S)
    await broker.shutdown()


def main() -> None:
    """The process."""
    logging.basicConfig(level=logging.CRITICAL)  # it logs a traceback for every client that goes away
    asyncio.run(serve(int(sys.argv[1])))


if __name__ == "__main__":
    main()
