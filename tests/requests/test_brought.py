"""A recording that comes along with its request: heard like one that was fetched, and always closed."""

import io
import threading
import time
import wave

import numpy as np
import orjson
import pytest

from edged.contracts.errors import QueueFull
from edged.contracts.message import ModelFacts
from edged.contracts.parts import VoiceActivity
from edged.contracts.request import Answer, RequestJob
from edged.contracts.services import INNER
from edged.contracts.transcription import Passages, SpokenPassage, TranscriptionOptions
from edged.flow.counters import Counters
from edged.media.sound import RATE
from edged.ops.clips import WINDOW
from edged.requests.queue import RequestQueue
from edged.requests.settings import RequestSettings
from edged.serving.table import Served, ServiceTable
from tests.broker import until

OPTIONS = TranscriptionOptions(language="auto", task="transcribe", prompt="", beam=1)


class Voice:
    """Somebody always speaks."""

    def start(self):
        return 0

    def step(self, chunk, state, run):
        return VoiceActivity(np.ones(-(-len(chunk.samples) // WINDOW), np.float32)), state


class Listener:
    """Says how long a clip is, at once or when the test lets it."""

    facts = ModelFacts(name="listener", variant="onnxruntime-f32", device="cpu")
    picture = None
    together = 1

    def __init__(self):
        self.free, self.at_work = threading.Event(), threading.Event()
        self.free.set()

    def uses(self, name):
        return True

    def used(self, name, priority):
        return Voice()

    def infer(self, clip, options, run, priority):
        self.at_work.set()
        assert self.free.wait(60)
        end_us = clip.start_us + int(clip.seconds * 1e6)
        said = SpokenPassage(clip.start_us, end_us, options.language, "de", -0.1, 0.0)
        return Passages((said,), end_us)

    def infer_all(self, clips, *given):
        return [self.infer(clip, *given) for clip in clips]


@pytest.fixture
def listener():
    made = Listener()
    yield made
    made.free.set()


@pytest.fixture
def queue(listener):
    table = ServiceTable()
    table.put(Served(INNER["transcription"], listener, OPTIONS))
    made = RequestQueue(table, RequestSettings(), 2, Counters())
    made.start()
    yield made
    listener.free.set()
    if made.state() == "running":
        made.stop()


def sound(seconds):
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, RATE, 0, "NONE", ""))
        out.writeframes(b"\0\1" * int(seconds * RATE))
    return file  # at its end: whoever hears it begins at the beginning


def submit(queue, file, service="transcription", inner=True, ahead=None, **fields):
    answers: list[Answer] = []
    job = RequestJob(
        *(service, orjson.dumps(fields), time.monotonic(), answers.append),
        **{"inner": inner, "recording": file, "ahead": ahead},
    )
    queue.submit(job)
    return answers


def test_it_is_heard(queue):
    file = sound(2.5)
    answers = submit(queue, file, language="zh")
    until(lambda: answers, "it is answered")
    assert (answers[0].code, answers[0].model) == (200, "listener")
    body = orjson.loads(answers[0].body)
    assert (body["text"], body["language"], body["seconds"]) == ("zh", "de", 2.5)
    until(lambda: file.closed, "it is closed")


def test_what_is_heard_is_told_clip_by_clip(queue):
    told, looked_at = list[bytes](), threading.Semaphore(0)

    def ahead(body):
        told.append(body)
        assert looked_at.acquire(timeout=60)

    answers = submit(queue, sound(50), ahead=ahead)
    for count in (1, 2):
        until(lambda count=count: len(told) == count, "one more is told")
        assert not answers
        looked_at.release(count)
    looked_at.release(9)
    until(lambda: answers, "it is answered")
    clips, whole = [orjson.loads(body) for body in told], orjson.loads(answers[0].body)
    assert [one for clip in clips for one in clip["passages"]] == whole["passages"]
    assert [clip["seconds"] for clip in clips][-1] == whole["seconds"] == 50


def test_who_has_an_answer_is_told_no_more(queue, listener):
    told: list[bytes] = []
    listener.free.clear()
    answers = submit(queue, file := sound(30), ahead=told.append, timeout_s=0.1)
    until(lambda: answers, "its time is over")
    listener.free.set()
    until(lambda: file.closed, "it is let go")
    assert (answers[0].code, told) == (504, [])


@pytest.mark.parametrize(
    ("fields", "code"), [({"language": "xx"}, 400), ({"input": {"url": "file:///etc/passwd"}}, 400)]
)
def test_what_is_refused_is_closed(queue, fields, code):
    file = sound(1)
    answers = submit(queue, file, **fields)
    until(lambda: answers, "it is answered")
    assert answers[0].code == code
    until(lambda: file.closed, "it is closed")


def test_what_is_no_sound_is_closed(queue):
    file = io.BytesIO(b"nonsense")
    answers = submit(queue, file)
    until(lambda: answers, "it is answered")
    assert answers[0].code == 415
    until(lambda: file.closed, "it is closed")


def test_one_that_nobody_waits_for_is_closed(queue, listener):
    listener.free.clear()
    first = submit(queue, sound(1))
    assert listener.at_work.wait(60)
    file = sound(1)
    late = submit(queue, file, timeout_s=0.1)
    until(lambda: late, "its time is over")
    assert late[0].code == 504
    listener.free.set()
    until(lambda: first and file.closed, "it is closed when its turn comes")


def test_what_waits_at_the_end_is_closed(queue, listener):
    listener.free.clear()
    submit(queue, sound(1))
    assert listener.at_work.wait(60)
    file = sound(1)
    submit(queue, file)
    until(lambda: queue.queued()["recordings"] == 1, "it waits: the other worker is for what is quick")
    stopper = threading.Thread(target=queue.stop)
    stopper.start()
    listener.free.set()
    stopper.join(60)
    assert file.closed


def test_it_counts_among_the_bytes_that_wait(listener):
    queue = RequestQueue(ServiceTable(), RequestSettings(max_waiting_bytes=10_000), 2, Counters())
    submit(queue, sound(0.2))
    with pytest.raises(QueueFull):
        submit(queue, sound(0.2))
    submit(queue, sound(0.05))


def test_only_who_is_one_of_us_comes_to_it(queue):
    file = sound(1)
    answers = submit(queue, file, inner=False)
    until(lambda: answers, "it is answered")
    assert answers[0].code == 404
    until(lambda: file.closed, "it is closed")
