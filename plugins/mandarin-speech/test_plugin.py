"""Mandarin through Whisper base: what is said, whether it is Mandarin, and what silence costs."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from edged import (
    AudioClip,
    DetectionThreshold,
    Heard,
    Model,
    RecognitionOptions,
    SpeechChunk,
    Tools,
    Transcript,
    UtteranceModel,
)
from edged.cards import load_card
from edged.contracts.errors import Cancelled
from edged.contracts.slot import Priority
from edged.discovery import discover
from edged.media.sound import RATE, SoundLimits, open_sound
from edged.ops.clips import WINDOW, CutRules
from edged.ops.utterances import UtteranceCutter, UtteranceRules
from edged.requests.recording import clips
from edged.testing import FakeRun, answer_of, chunks_of, conformance, stepped
from tests.speech import SAID, errors

HERE = Path(__file__).parent
GREEDY = RecognitionOptions(beam=1)
YES = DetectionThreshold(language="zh", threshold=0.5)
SILENCE = AudioClip(np.zeros(5 * RATE, np.float32), RATE, 0)


@pytest.fixture(scope="module")
def recognition(instance_of):
    return instance_of("mandarin-recognition")


@pytest.fixture(scope="module")
def detection(instance_of):
    return instance_of("mandarin-detection")


def first_clip(instance, path):
    with path.open("rb") as file, open_sound(file, SoundLimits()) as sound:
        return next(clips(sound, instance.tools.models["voice"], CutRules(), FakeRun()))


@pytest.mark.parametrize("name", ["mandarin.wav", "hello-world.wav", "counting.wav"])
def test_what_is_said(recognition, media, name):
    clip = first_clip(recognition, media(name))
    found = recognition.infer(clip, GREEDY, FakeRun(), Priority.REQUEST)
    assert errors("".join(found.texts), SAID[name]) <= 0.3 * len(SAID[name])


def test_the_contract(recognition, detection, media):
    clip = first_clip(recognition, media("mandarin.wav"))
    result = recognition.infer(clip, GREEDY, FakeRun(), Priority.REQUEST)
    assert result.texts[0] == "对"
    assert answer_of(recognition.card, result)["0"].startswith("对;")
    result = detection.infer(clip, YES, FakeRun(), Priority.REQUEST)
    assert answer_of(detection.card, result) == {"0": '{"class":"是"}\n'}


def test_what_is_said_while_it_grows(instance_of, media):
    """Real steps of real speech: what it says at the end is what the whole says."""
    live = instance_of("mandarin-live")
    clip = first_clip(live, media("mandarin.wav"))
    whole = live.infer(clip, GREEDY, FakeRun(), Priority.REQUEST)
    chunks = chunks_of(clip, [2 * RATE, 4 * RATE])
    (_, state), (second, _), (last, _) = stepped(live.model, chunks, GREEDY, live.tools)
    assert last.texts == whole.texts
    assert second.texts[0] == "对"
    again, _ = live.step(chunks[1], state, GREEDY, FakeRun(), Priority.JOB)
    assert again.texts == second.texts


def test_english_is_no_mandarin(detection, media):
    for name in ("english.wav", "woman.wav", "man.wav"):
        clip = first_clip(detection, media(name))
        assert detection.infer(clip, YES, FakeRun(), Priority.REQUEST).score < 0.1


def test_music_and_silence_are_no_mandarin(detection, recognition, media):
    for clip in (first_clip(detection, media("guitar.wav")), SILENCE):
        assert detection.infer(clip, YES, FakeRun(), Priority.REQUEST).score == 0
        assert recognition.infer(clip, GREEDY, FakeRun(), Priority.REQUEST).texts == ()


class Speech:
    """Says what it is told to, and remembers what it heard."""

    def __init__(self, text):
        self.text = text
        self.heard = []
        self.card = None

    def infer(self, item, run, **options):
        self.heard.append((item, options))
        return Heard(self.text)

    def infer_all(self, items, run, **options):
        return [self.infer(item, run, **options) for item in items]


def said(card, text, clip, speech=None):
    model, speech = discover([HERE.parent], entry_points=False).models[card], speech or Speech(text)
    assert isinstance(model, Model)
    return model.infer(clip, GREEDY, Tools({}, {}, {"speech": speech}), FakeRun()), speech


def test_only_where_somebody_speaks_is_heard():
    """A second of silence parts what is heard on its own; before, between and behind it nothing is heard."""
    second, half = RATE, RATE // 2
    voiced = ((second, 2 * second), (2 * second + half, 3 * second), (4 * second, 5 * second))
    clip = AudioClip(np.arange(6 * RATE, dtype=np.float32), RATE, 7_000_000, voiced)
    found, speech = said("mandarin-recognition", "你好", clip)
    assert found.texts == ("你好", "你好")
    (first, options), (last, _) = speech.heard
    assert options == {"task": "text", "language": "zh", "beam": 1}
    assert (first.start_us, first.seconds) == (8_000_000, 2.0)
    assert first.voiced == ((0, second), (second + half, 2 * second))
    assert first.samples[0] == second
    assert (last.start_us, last.seconds, last.voiced) == (11_000_000, 1.0, ((0, second),))


def test_the_stretches_of_several_clips_are_heard_together_and_each_gets_its_own():
    class Numbered(Speech):
        def infer_all(self, items, run, **options):
            self.heard += [(item, options) for item in items]
            return [Heard("一二三四五"[number]) for number in range(len(items))]

    pauses = ((0, RATE), (3 * RATE, 4 * RATE)), (), ((0, RATE),)
    clips = [AudioClip(np.zeros(5 * RATE, np.float32), RATE, 0, voiced) for voiced in pauses]
    model = discover([HERE.parent], entry_points=False).models["mandarin-recognition"]
    assert isinstance(model, Model)
    tools = Tools({}, {}, {"speech": Numbered("")})
    found = model.infer_all(clips, GREEDY, tools, FakeRun())
    assert [one.texts for one in found] == [("一", "二"), (), ("三",)]


def test_half_a_minute_is_heard_in_parts():
    voiced = tuple((i * RATE, i * RATE + RATE * 3 // 4) for i in range(28))
    _, speech = said("mandarin-live", "你好", AudioClip(np.zeros(28 * RATE, np.float32), RATE, 0, voiced))
    assert [round(part.seconds) for part, _ in speech.heard] == [12, 12, 4]
    assert sum(len(part.voiced) for part, _ in speech.heard) == 28


def test_live_knows_more_characters():
    clip = AudioClip(np.zeros(RATE, np.float32), RATE, 0, ((0, RATE),))
    text = "日月盈昃,辰宿列張。ハイ"
    assert said("mandarin-recognition", text, clip)[0].texts == ("日月盈*", "辰宿列张", "**")
    assert said("mandarin-live", text, clip)[0].texts == ("日月盈昃", "辰宿列张", "**")


class Voice:
    """A minute and who speaks in it: `pause` seconds of silence behind each `speech` seconds."""

    def __init__(self, speech, pause, quiet=0.001):
        chance = np.random.default_rng(7)
        times = np.arange(60 * RATE // WINDOW) * WINDOW / RATE
        self.speaks = times % (speech + pause) < speech
        loud = np.where(self.speaks, 0.1, quiet)
        self.windows = [chance.normal(0, one, WINDOW).astype(np.float32) for one in loud]


class Minute(NamedTuple):
    """What came of a minute."""

    fed: float
    """Seconds for partial results."""
    spoken: float
    """Seconds in which somebody spoke, each once."""
    partials: list[tuple[int, float, str]]
    """Number of the utterance, its seconds so far, its text."""
    finals: list[tuple[AudioClip, Transcript]]
    """The whole utterance and its text."""


class Counting(Speech):
    """Writes how long a sound is, a character for each tenth of a second."""

    def __init__(self):
        super().__init__("")

    def infer(self, item, run, **options):
        super().infer(item, run, **options)
        return Heard("好" * round(item.seconds * 10))


def live_model():
    model = discover([HERE.parent], entry_points=False).models["mandarin-live"]
    assert isinstance(model, UtteranceModel)
    return model


def listened(voice):
    """A minute through the real cutter: a step a second of what grows, and one for each end."""
    model, speech = live_model(), Counting()
    tools, cutter = Tools({}, {}, {"speech": speech}), UtteranceCutter(UtteranceRules(), RATE)
    state, known, fed, number = model.start(GREEDY), 0, 0.0, 0
    partials, finals = [], []
    for window, speaks in zip(voice.windows, voice.speaks, strict=True):
        live = cutter.put(window, 0.9 if speaks else 0.05)
        if live is None and speaks and cutter.seconds - known / RATE >= 1:
            live = cutter.so_far()
        if live is None:
            continue
        before = known if known <= len(live.clip.samples) else 0
        chunk = SpeechChunk.of(live.clip, before, final=live.final)
        speech.heard.clear()
        result, state = model.step(chunk, state, GREEDY, tools, FakeRun())
        known = 0 if live.final else len(live.clip.samples)
        if live.final:
            finals.append((live.clip, result))
            number += 1
            continue
        fed += sum(part.seconds for part, _ in speech.heard)
        if result is not None:
            partials.append((number, live.clip.seconds, "".join(result.texts)))
    utterances = [clip for clip, _ in finals]
    if (rest := cutter.rest()) is not None:
        utterances.append(rest.clip)
    return Minute(fed, sum(clip.voiced_seconds for clip in utterances), partials, finals)


MINUTES = [
    (60, 0, 0.001),
    (3.6, 0.4, 0.001),
    (3.6, 0.4, 0.1),
    (5.2, 0.8, 0.001),
    (12, 0.5, 0.001),
    (1.1, 0.3, 0.001),
]


@pytest.mark.parametrize(("speech", "pause", "quiet"), MINUTES)
def test_partial_results_cost_twice_what_is_spoken_at_most(speech, pause, quiet):
    """Nobody pauses; they pause in an utterance, and it is noisy then; they pause between utterances."""
    minute = listened(Voice(speech, pause, quiet))
    assert minute.fed <= 2 * minute.spoken
    shown = [(0, 0.0), *((number, seconds) for number, seconds, _ in minute.partials)]
    waits = [b[1] - a[1] for a, b in itertools.pairwise(shown) if a[0] == b[0]]
    assert max(waits) < 4.5
    for a, b in itertools.pairwise(minute.partials):
        assert a[0] != b[0] or len(b[2]) >= len(a[2])


@pytest.mark.parametrize(("speech", "pause", "quiet"), MINUTES)
def test_the_end_of_an_utterance_is_the_whole_heard_at_once(speech, pause, quiet):
    for clip, found in listened(Voice(speech, pause, quiet)).finals:
        assert found.texts == said("mandarin-live", "", clip, Counting())[0].texts


def test_the_contract_while_it_grows():
    model = live_model()
    samples = np.concatenate(Voice(5, 1).windows)[: 10 * RATE]
    clip = AudioClip(samples, RATE, 0, ((0, 5 * RATE), (6 * RATE, 9 * RATE)))
    conformance(model, {}, clip, models={"speech": Counting()})


def test_a_piece_is_heard_once_and_what_was_told_stays():
    """Only the last piece changes; a source that is opened anew begins to count anew."""
    model, speech = live_model(), Counting()
    tools = Tools({}, {}, {"speech": speech})
    samples = np.random.default_rng(3).normal(0, 0.1, 20 * RATE).astype(np.float32)
    clip = AudioClip(samples, RATE, 90_000_000, ((0, 20 * RATE),))
    chunks = chunks_of(clip, [n * RATE for n in range(1, 20)])
    steps = stepped(model, chunks, GREEDY, tools)
    heard = [(part.start_us, len(part.samples)) for part, _ in speech.heard]
    assert len(heard) == len(set(heard))
    assert all(part.seconds <= 4 for part, _ in speech.heard[:-2])
    assert sum(result is not None for result, _ in steps) >= 9

    early = replace(clip, start_us=0)
    again = stepped(model, chunks_of(early, [RATE, 2 * RATE]), GREEDY, tools, steps[-1][1])
    assert again[0][0] is not None


def test_what_is_given_up_was_not_heard():
    model, speech = live_model(), Counting()
    clip = AudioClip(np.ones(2 * RATE, np.float32), RATE, 0, ((0, 2 * RATE),))
    first, second = chunks_of(clip, [RATE])
    tools = Tools({}, {}, {"speech": speech})
    _, state = model.step(first, model.start(GREEDY), GREEDY, tools, FakeRun())
    with pytest.raises(Cancelled):
        model.step(second, state, GREEDY, tools, FakeRun(Cancelled("somebody else waits")))
    result, _ = model.step(second, state, GREEDY, tools, FakeRun())
    assert result is not None
    assert result.texts == ("好" * 20,)


def test_the_cards_differ_in_the_vocabulary_and_in_what_is_heard_while_it_grows():
    cards = [load_card(HERE / name) for name in ("recognition.yaml", "live.yaml")]
    assert [card.parameters["level"] for card in cards] == [1, 2]
    assert cards[1].parameters.keys() - cards[0].parameters.keys() == {"share", "piece"}
    assert cards[0].uses == cards[1].uses
