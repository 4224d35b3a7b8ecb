"""One microphone's way: utterances, growing ones and pieces to their services; real detector, models that
are made up."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import orjson
import pytest

from edged.contracts.errors import NotUsable
from edged.contracts.items import AudioClip, LiveClip
from edged.contracts.message import ModelFacts, StreamMessage
from edged.contracts.model import Options
from edged.contracts.services import service
from edged.contracts.speech import (
    DetectionThreshold,
    LabelOptions,
    RecognitionOptions,
    SpeakerClass,
    SpeechVector,
    Transcript,
    YesNo,
)
from edged.flow.counters import Counters
from edged.media.chunks import CHUNK, SoundChunk
from edged.media.sound import RATE, SoundLimits, open_sound
from edged.repository.instance import UsedModel
from edged.serving.scheduler import Scheduler
from edged.serving.table import Served, ServiceTable
from edged.streams.clipbox import Waiting
from edged.streams.hearing import SoundFeed
from edged.streams.lane import LaneTools, RunSettings
from edged.streams.publisher import Outlet
from edged.streams.rule import PublishSettings
from edged.streams.sound_lane import UtteranceLane
from tests.broker import until

LIVE, LANGUAGE, MUSIC, VECTOR, SPEAKER = (
    "speech-recognition-zh-live",
    "speech-detection-zh",
    "music-detection",
    "speech-vectorization-en",
    "speaker-classification-zh",
)
YES = DetectionThreshold(language="en", threshold=0.5)
OPTIONS = {
    LIVE: RecognitionOptions(beam=1),
    LANGUAGE: YES,
    MUSIC: YES,
    VECTOR: Options(),
    SPEAKER: LabelOptions(language="zh"),
}
BEGAN = 1_795_422_600.0


@pytest.fixture(scope="module")
def talk(media):
    """Two seconds of silence, Mandarin, silence, the same again, silence."""
    with media("hello-world.wav").open("rb") as file, open_sound(file, SoundLimits()) as sound:
        said = np.concatenate(list(sound.pieces))
    silence = np.zeros(2 * RATE, np.float32)
    return np.concatenate([silence, said, silence, said, silence])


class Whole:
    """An instance whose model is a function of a clip."""

    hears_utterances = False
    facts = ModelFacts(name="fake", variant="onnxruntime-f32", device="cpu")

    def __init__(self, infer, voice):
        self.infer = infer
        self._voice = voice

    def used(self, name, priority):
        return self._voice


class Steps(Whole):
    """The same of a model that hears while somebody speaks: a function of the utterance so far."""

    hears_utterances = True

    def start(self, options):
        return np.empty(0, np.float32)

    def step(self, chunk, state, options, run, priority):
        assert chunk.before in (0, len(state))
        clip = chunk.behind(state)
        return self.infer(clip, options, run, priority), clip.samples


@pytest.fixture
def room(instance_of):
    """A microphone whose services are functions."""
    voice = UsedModel(instance_of("silero-vad"))
    lines = []
    outlet = Outlet(
        "shop-1", "room", (lambda stream, name, body: lines.append((name, orjson.loads(body))),), Counters()
    )
    scheduler = Scheduler("frames", 2, outlet.counters)
    scheduler.start()
    feeds = []

    def route(name, answers, publish):
        """Of a service whose results are given, one a clip."""
        results, table = iter(answers), ServiceTable()
        table.put(Served(service(name), Whole(lambda *_: next(results), voice), OPTIONS[name]))
        return UtteranceLane(LaneTools(outlet, table, publish), RunSettings(service=name), Waiting())

    def made(services, *, runs=(), voice_only=False, steps=True):
        table = ServiceTable()
        for name, infer in services.items():
            instance = (Steps if name == LIVE and steps else Whole)(infer, voice)
            table.put(Served(service(name), instance, OPTIONS[name]))
        chosen = runs or [RunSettings(service=name) for name in services]
        feed = SoundFeed(outlet, chosen, table, scheduler, voice_only=voice_only)
        feed.start()
        feeds.append(feed)
        return feed

    def told(name):
        return [line for service_name, line in list(lines) if service_name == name]

    yield SimpleNamespace(make=made, route=route, told=told, counts=outlet.counters.counts)
    for feed in feeds:
        feed.stop()
    scheduler.stop()


def play(feed, samples, first=0):
    """Chunk by chunk, as fast as it is heard; the position behind it."""
    for begin in range(0, len(samples) - CHUNK + 1, CHUNK):
        position = first + begin
        feed.put(SoundChunk(samples[begin : begin + CHUNK], BEGAN + position / RATE, position))
    return first + len(samples) // CHUNK * CHUNK


def hears(clip, *_):
    return Transcript((f"{clip.seconds:.1f} s",))


def test_one_final_an_utterance(room, talk):
    seen = []

    def language(clip, *_):
        seen.append(clip)
        return YesNo(0.9)

    play(room.make({LANGUAGE: language}), talk)
    until(lambda: len(room.told(LANGUAGE)) == 2)
    for number, message in enumerate(room.told(LANGUAGE)):
        StreamMessage.model_validate(message)
        assert message["final"] is True
        assert (message["seq"], message["clip"]["seq"]) == (number, number)
        start = message["clip"]["start_us"]
        assert message["result"] == {str(start): '{"class":"Yes"}\n'}
        assert "frame" not in message
    starts = [message["clip"]["start_us"] / 1e6 for message in room.told(LANGUAGE)]
    assert starts == pytest.approx([1.9, 5.3], abs=0.4)
    assert seen[0].voiced_seconds > 0.5


def test_who_speaks_is_heard_while_he_speaks_and_once_more_at_the_end(room, talk):
    feed = room.make({LIVE: hears})
    speaking = play(feed, talk[: 3 * RATE])
    until(lambda: room.told(LIVE), "what is said before the end of it")
    play(feed, talk[speaking:], speaking)
    until(lambda: sum(message["final"] for message in room.told(LIVE)) == 2)
    first = [message for message in room.told(LIVE) if message["clip"]["seq"] == 0]
    assert [message["final"] for message in first] == [False] * (len(first) - 1) + [True]
    assert len(first) >= 2
    assert len({message["clip"]["start_us"] for message in first}) == 1
    lengths = [message["clip"]["seconds"] for message in first[:-1]]
    assert lengths == sorted(lengths)


def test_a_partial_result_is_given_up_for_the_final_one(room, talk):
    begun, given_up = threading.Event(), threading.Event()

    def slow(clip, options, run, priority):
        if clip.seconds < 1.3:  # what there is while somebody speaks
            begun.set()
            try:
                for _ in range(2000):
                    time.sleep(0.005)
                    run.check()
            except Exception:
                given_up.set()
                raise
        return hears(clip)

    feed = room.make({LIVE: slow})
    half = len(talk) // 2
    play(feed, talk[: half + CHUNK])
    until(lambda: room.told(LIVE))
    assert [message["final"] for message in room.told(LIVE)] == [True]
    assert begun.is_set() == given_up.is_set()
    if begun.is_set():
        assert room.counts()["frames_dropped/room"]["superseded"] >= 1


def test_a_model_that_does_not_step_hears_what_is_over_alone(room, talk):
    feed = room.make({LIVE: hears}, steps=False)
    for begin in range(0, len(talk) - CHUNK, CHUNK):
        feed.put(SoundChunk(talk[begin : begin + CHUNK], BEGAN + begin / RATE, begin))
        time.sleep(0.001)
    until(lambda: len(room.told(LIVE)) == 2)
    assert all(message["final"] for message in room.told(LIVE))


def test_music_is_listened_for_always(room, talk):
    runs = [RunSettings(service=MUSIC, every=2.0)]
    feed = room.make({MUSIC: lambda *_: YesNo(0.1)}, runs=runs)
    play(feed, talk)
    count = int(len(talk) / RATE / 2.016)
    until(lambda: len(room.told(MUSIC)) == count)
    starts = [message["clip"]["start_us"] for message in room.told(MUSIC)]
    assert np.diff(starts).tolist() == [2_016_000] * (count - 1)


def test_the_gate_lets_only_a_voice_pass(room, talk):
    runs = [RunSettings(service=MUSIC, every=1.0)]
    feed = room.make({MUSIC: lambda *_: YesNo(0.1)}, runs=runs, voice_only=True)
    play(feed, talk)
    until(lambda: len(room.told(MUSIC)) >= 2)
    time.sleep(0.2)
    assert len(room.told(MUSIC)) < 7 < int(len(talk) / RATE)


def test_lost_sound_ends_an_utterance(room, talk):
    feed = room.make({LANGUAGE: lambda *_: YesNo(0.9), MUSIC: lambda *_: YesNo(0.1)})
    speaking = int(2.7 * RATE) // CHUNK * CHUNK
    behind = play(feed, talk[:speaking])
    assert room.told(LANGUAGE) == []
    play(feed, talk[speaking : speaking + 10 * CHUNK], first=behind + 5 * RATE)
    until(lambda: room.told(LANGUAGE))
    clip = room.told(LANGUAGE)[0]["clip"]
    assert clip["start_us"] / 1e6 + clip["seconds"] == pytest.approx(speaking / RATE, abs=0.05)


def test_what_is_said_at_the_end_of_a_file_counts(room, talk):
    feed = room.make({LANGUAGE: lambda *_: YesNo(0.9)})
    play(feed, talk[: int(2.9 * RATE)])
    feed.end()
    until(lambda: len(room.told(LANGUAGE)) == 1)


def test_a_vector_is_a_string_and_an_error_is_told(room, talk):
    answers = [SpeechVector(np.array([0.5, 1.0]), 1.0), NotUsable("too noisy")]

    def vector(*_):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    play(room.make({VECTOR: vector}), talk)
    until(lambda: len(room.told(VECTOR)) == 2)
    good, bad = room.told(VECTOR)
    assert good["result"] == "0.5,1"
    assert bad["error"] == {"code": 422, "message": "too noisy"}
    StreamMessage.model_validate(good)
    StreamMessage.model_validate(bad)


def test_while_no_service_is_up_sound_is_dropped_and_counted(room, talk):
    feed = room.make({}, runs=[RunSettings(service=LIVE)])
    play(feed, talk[: 4 * CHUNK])
    assert room.counts()["frames_dropped/room"] == {"service not ready": 4}


def test_a_slow_service_loses_the_oldest_utterances_and_says_so(room, talk):
    gate = threading.Event()

    def stuck(*_):
        gate.wait(30)
        return YesNo(0.9)

    feed, behind = room.make({LANGUAGE: stuck}), 0
    for _ in range(6):
        behind = play(feed, talk, first=behind)
    until(lambda: room.counts().get("frames_dropped/room", {}).get("busy", 0) >= 1)
    gate.set()
    until(lambda: len(room.told(LANGUAGE)) >= 8)
    assert set(room.counts()["frames_dropped/room"]) == {"busy"}


# --- silence, and what is no event


def clip(seq, start_s, seconds=2.0, *, final=True):
    samples = np.zeros(int(seconds * RATE), np.float32)
    return LiveClip(AudioClip(samples, RATE, int(start_s * 1e6)), BEGAN + start_s, seq, final)


SAID, SILENT = Transcript(("hello",)), Transcript(())


@pytest.mark.parametrize("on", ["every", "change"])
@pytest.mark.parametrize(
    ("name", "silent"),
    [(LIVE, SILENT), (SPEAKER, SpeakerClass(None)), (VECTOR, SpeechVector(np.zeros(0), 0.0))],
)
def test_a_silent_microphone_publishes_nothing(room, on, name, silent):
    route = room.route(name, [silent] * 5, PublishSettings(on=on))
    for n in range(5):
        route.work(clip(n, 3.0 * n))
    assert room.told(name) == []
    assert room.counts()["results_suppressed/room"] == {"silent": 5}
    assert room.counts()["frames_inferred/room"] == {name: 5}


@pytest.mark.parametrize("on", ["every", "change"])
def test_who_was_heard_in_part_is_taken_back_at_the_end(room, on):
    """A partial result said something, the final one says nothing: who listens must learn it."""
    route = room.route(LIVE, [SAID, SILENT, SILENT, SAID], PublishSettings(on=on))
    route.work(clip(7, 3.0, 1.0, final=False))
    route.work(clip(7, 3.0, 2.0))
    until(lambda: len(room.told(LIVE)) == 2)  # under `change` it must settle
    route.work(clip(8, 9.0))
    route.work(clip(9, 12.0))
    until(lambda: len(room.told(LIVE)) == 3)
    for message in room.told(LIVE):
        StreamMessage.model_validate(message)
    told = [(m["clip"]["seq"], m["final"], m["result"]) for m in room.told(LIVE)]
    assert told == [
        (7, False, {"3000000": "hello"}),
        (7, True, {"3000000": ""}),
        (9, True, {"12000000": "hello"}),
    ]
    assert room.counts()["results_suppressed/room"] == {"silent": 1}


def test_a_silent_part_of_an_utterance_is_not_told(room):
    route = room.route(LIVE, [SILENT, SILENT], PublishSettings())
    route.work(clip(0, 0.0, 1.0, final=False))
    route.work(clip(0, 0.0, 2.0))
    assert room.told(LIVE) == []


def test_vectors_are_all_told_on_change(room):
    vectors = [SpeechVector(np.array([0.5, 1.0]), 1.0)] * 4
    vectors.insert(2, SpeechVector(np.zeros(0), 0.0))  # nobody speaks
    route = room.route(VECTOR, vectors, PublishSettings(on="change"))
    for n in range(5):
        route.work(clip(n, 3.0 * n))
    assert [m["clip"]["seq"] for m in room.told(VECTOR)] == [0, 1, 3, 4]
    assert {m["result"] for m in room.told(VECTOR)} == {"0.5,1"}
    assert room.counts()["results_suppressed/room"] == {"silent": 1}
