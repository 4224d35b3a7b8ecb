"""A process to be killed: an MqttUnit with a slow pipeline. Arguments: broker URL, state folder, seconds."""

import sys
import threading
import time
from pathlib import Path

import orjson

from edged.contracts.message import ServiceFacts
from edged.contracts.request import Answer, RequestJob
from edged.flow.counters import Counters
from edged.flow.mailbox import Fifo
from edged.mqtt.introduction import Introduction
from edged.mqtt.settings import MqttSettings
from edged.mqtt.topics import Topics
from edged.mqtt.unit import MqttUnit


class Slow:
    def __init__(self, seconds: float) -> None:
        self._jobs: Fifo[RequestJob] = Fifo(1000, 10**9)
        self._seconds = seconds
        threading.Thread(target=self._work, daemon=True).start()

    def submit(self, job: RequestJob) -> None:
        self._jobs.put(job, len(job.payload))

    def _work(self) -> None:
        while True:
            time.sleep(self._seconds)
            if (job := self._jobs.take()) is not None:
                fields = orjson.loads(job.payload)
                body = orjson.dumps({"n": fields["n"]})
                job.reply(Answer(str(fields["n"]), body, 200, "slow", fields.get("reply_to")))


def main() -> None:
    url, state, seconds = sys.argv[1:]
    unit = MqttUnit(
        topics=Topics("shop-1"),
        settings=MqttSettings(url=url),
        intake=Slow(float(seconds)),
        counters=Counters(),
        state_dir=Path(state),
        verbs={},
        introduction=Introduction(
            "0",
            lambda: [
                ServiceFacts(service="object-detection", model="m", variant="v", device="d", schema="s")
            ],
        ),
    )
    unit.start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
