"""A recording's way: real weights cut and hear it; one answer comes out, whatever was sent."""

import time
import wave
from contextlib import nullcontext
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import orjson
import pytest
from jsonschema import Draft202012Validator

from edged.contracts.items import AudioClip
from edged.contracts.request import RequestJob
from edged.contracts.services import card_options, service
from edged.flow.budget import Budget
from edged.flow.counters import Counters
from edged.media.policy import FetchSettings
from edged.media.sound import RATE, SoundLimits
from edged.requests import recording
from edged.requests.queue import RequestQueue
from edged.requests.recording import groups
from edged.requests.settings import RequestSettings
from edged.requests.steps import Steps
from edged.runtimes.devices import RuntimeSettings
from edged.serving.run import RunHandle
from edged.serving.table import Served, ServiceTable
from tests.broker import until
from tests.media.mp4 import crowded

MUSIC = "music-detection"


@pytest.fixture(scope="module")
def table(instance_of):
    instance = instance_of("yamnet")
    made = ServiceTable()
    made.put(Served(service(MUSIC), instance, card_options(instance.card)))
    return made


@pytest.fixture
def settings(tmp_path):
    return RequestSettings(fetch=FetchSettings(folders=(tmp_path,)), sound=SoundLimits(max_seconds=100))


def wav(path, seconds):
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, RATE, 0, "NONE", ""))
        out.writeframes(b"\0\0" * int(seconds * RATE))
    return path


def fits_schema(play_duration):
    schema = Draft202012Validator(service(MUSIC).request_schema())
    return schema.is_valid({"input": {"url": "a.wav", "play_duration": play_duration}})


@pytest.fixture
def ask(table, settings):
    steps = Steps(table, settings, Counters())

    def asked(url, **fields):
        body = orjson.dumps({"input": {"url": str(url), **fields.pop("input", {})}, **fields})
        reports = []
        job = RequestJob(MUSIC, body, time.monotonic(), print, lambda _, done: reports.append(done))
        answer = steps.all_at_once(job)
        return answer.code, orjson.loads(answer.body), reports

    yield asked
    steps.close()


def test_the_answer_has_the_form_of_the_contract(ask, media, tmp_path):
    path = tmp_path / "guitar.wav"
    path.write_bytes(media("guitar.wav").read_bytes())
    assert ask(path)[:2] == (200, {"0": '{"class":"是"}\n'})
    assert ask(path, language="en")[1] == {"0": '{"class":"Yes"}\n'}
    assert ask(f"file://{path}", threshold=0.9999, language="en")[1] == {"0": '{"class":"No"}\n'}


def test_a_long_recording_is_heard_clip_by_clip(ask, tmp_path):
    code, answer, reports = ask(wav(tmp_path / "silence.wav", 65), language="en")
    starts = sorted(map(int, answer))
    assert code == 200
    assert starts[0] == 0
    assert all(15e6 < later - start <= 30e6 for start, later in pairwise(starts))
    assert set(answer.values()) == {'{"class":"No"}\n'}
    assert reports == sorted(reports)
    assert reports[-1] == pytest.approx(1)


def test_clips_are_handed_over_as_many_at_a_time_as_the_model_takes():
    clips = [AudioClip(np.zeros(1, np.float32), RATE, start) for start in range(5)]
    counts = iter([2, 1, 2, 2])
    found = groups(iter(clips), lambda: next(counts))
    assert [[clip.start_us for clip in group] for group in found] == [[0, 1], [2], [3, 4]]
    assert list(groups(iter(()), lambda: 2)) == []


@pytest.mark.parametrize(("held", "wanted"), [(0, [3, 3, 1]), (95, [1] * 7)])
def test_clips_are_heard_together_only_where_there_is_room(held, wanted, monkeypatch):
    budget, heard = Budget(100), []
    budget.account()(held)
    clips = [AudioClip(np.zeros(16, np.float32), RATE, start) for start in range(7)]
    monkeypatch.setattr(recording, "clips", lambda *_: iter(clips))

    def infer_all(group, *_):
        heard.append(len(group))
        return group

    model = SimpleNamespace(
        together=3, uses=lambda _: True, used=lambda *_: None, infer_all=infer_all, card=None
    )
    decoders = SimpleNamespace(open_sound=lambda *_: nullcontext(SimpleNamespace(seconds=None)))
    tools = recording.SoundTools(decoders, SoundLimits(), budget)
    found = recording.found_in(
        recording.Recording(None, None), SimpleNamespace(instance=model), None, RunHandle(), tools
    )
    assert (heard, len(found.results)) == (wanted, 7)


@pytest.mark.parametrize("given", [25_000_000, "25000000", "025000000"])
def test_only_the_beginning_is_listened_to(ask, tmp_path, given):
    assert fits_schema(given)
    _, answer, _ = ask(wav(tmp_path / "silence.wav", 65), input={"play_duration": given})
    assert len(answer) == 2


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("-1", "play_duration"),
        (0, "1 or more"),
        ("0", "1 or more"),
        ("1.5", "play_duration"),
        (True, "play_duration"),
        (10**18, "play_duration"),
        ("1" * 19, "play_duration"),
    ],
)
def test_a_wrong_duration_is_named_and_the_schema_refuses_it_too(ask, tmp_path, given, says):
    assert not fits_schema(given)
    code, answer, _ = ask(wav(tmp_path / "a.wav", 1), input={"play_duration": given})
    assert code == 400
    assert says in answer["error_msg"]


def test_one_that_wants_more_memory_than_is_configured_is_500_and_the_next_one_is_answered(
    table, settings, tmp_path
):
    (tmp_path / "crowded.mp4").write_bytes(crowded(12_000_000))
    wav(tmp_path / "silence.wav", 1)
    memory, answers = Budget(RuntimeSettings(memory=150_000_000).memory_bytes()), []
    queue = RequestQueue(table, settings, 2, Counters(), memory=memory)
    queue.start()
    for number, name in enumerate(("crowded.mp4", "silence.wav"), 1):
        body = orjson.dumps({"input": {"url": str(tmp_path / name)}})
        queue.submit(RequestJob(MUSIC, body, time.monotonic(), answers.append))
        until(lambda number=number: len(answers) == number)
    queue.stop()
    assert [answer.code for answer in answers] == [500, 200]
    assert b"the decoder of sound failed on this item" in answers[0].body
    assert b"over `runtime.memory` of 150000000" in answers[0].body
    assert memory.held == 0


def test_what_cannot_be_heard_is_named(ask, tmp_path):
    (tmp_path / "a.wav").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    code, answer, _ = ask(tmp_path / "a.wav")
    assert (code, answer["success"]) == (415, False)
    assert "`input.url` is no audio or video" in answer["error_msg"]
    code, answer, _ = ask(wav(tmp_path / "long.wav", 101))
    assert code == 413
    assert "`requests.sound.max_seconds`" in answer["error_msg"]
    assert ask(tmp_path / "none.wav")[0] == 404
    assert ask("/etc/hostname")[0] == 403


def test_recordings_leave_a_worker_for_pictures(table, settings, tmp_path):
    answers = []
    queue = RequestQueue(table, settings, 2, Counters())
    queue.start()
    try:
        body = orjson.dumps({"input": {"url": str(wav(tmp_path / "a.wav", 1))}})
        for _ in range(6):
            queue.submit(RequestJob(MUSIC, body, time.monotonic(), answers.append))
        until(lambda: len(answers) == 6)
    finally:
        queue.stop()
    assert [answer.code for answer in answers] == [200] * 6
