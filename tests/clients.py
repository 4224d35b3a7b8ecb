"""In the pipeline's place, for clients with a contract of their own: it remembers what was asked."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import orjson

from edged.contracts.errors import QueueFull
from edged.contracts.request import Answer, refusal

SAID = {
    "text": "Good morning.再见 --> 。",
    "language": "en",
    "seconds": 3725.5,
    "passages": [
        {
            **{"start": 0.25, "end": 1.5, "text": "Good morning.", "language": "en"},
            **{"likelihood": -0.2, "silence": 0.01},
        },
        {
            **{"start": 3723.004, "end": 3725.0, "text": "再见 --> 。", "language": "zh"},
            **{"likelihood": -0.4, "silence": 0.02},
        },
    ],
}
NAMES = {"transcription": ("heard", "whisper-base"), "text-embedding": ("meant", "bge-small-zh")}
"""By which models may be called, by service."""


def names(service):
    return NAMES.get(service, ())


def vector_of(text):
    return np.array([len(text), *text.encode()[:2], 1], np.float32) / 7


class Oracle:
    """Answers from a thread of its own, at once or when the test lets it; refuses texts that say so.

    `clips`: whether a recording has any before it fails.
    """

    def __init__(self):
        self.jobs, self.recordings = [], []
        self.full = False
        self.failure = None
        self.free = threading.Event()
        self.free.set()
        self.go_on, self.clips = threading.Event(), True
        self.go_on.set()
        self.most_waiting = self._waiting = 0
        self.pool = ThreadPoolExecutor(4)

    def submit(self, job):
        if self.full:
            raise QueueFull("2 requests are waiting already; try again later")
        self.jobs.append(job)
        self._waiting += 1
        self.most_waiting = max(self.most_waiting, self._waiting)
        self.pool.submit(self._answer, job)

    def fields(self, place=-1):
        return orjson.loads(self.jobs[place].payload)

    def _answer(self, job):
        assert self.free.wait(60)
        if job.recording is not None:
            self.recordings.append(job.recording.read())
            job.recording.close()
        self._tell(job)
        self._waiting -= 1
        job.reply(self._said(job))

    def _tell(self, job):
        """Each passage as a clip of its own, the next one when the test lets it."""
        for passage in SAID["passages"] if job.ahead is not None and self.clips else ():
            job.ahead(orjson.dumps({**SAID, "text": passage["text"], "passages": [passage]}))
            assert self.go_on.wait(60)

    def _said(self, job):
        fields = orjson.loads(job.payload)
        if self.failure is not None or fields.get("text") == "?":
            code, message = self.failure or (422, "the field `text` asks")
            return refusal({"request_id": "r-1"}, code, message, job.service, "heard")
        if job.service == "transcription":
            return Answer("r-1", orjson.dumps(SAID), 200, "heard")
        body = {"vector": vector_of(fields["text"]).tolist(), "tokens": len(fields["text"]) + 2}
        return Answer("r-1", orjson.dumps(body), 200, "meant")
