"""Mandarin through Whisper base: what is said, whether it is Mandarin, and what silence costs."""

from pathlib import Path

import numpy as np
import pytest

from edged import AudioClip, DetectionThreshold, Heard, Model, RecognitionOptions, Tools
from edged.cards import load_card
from edged.contracts.slot import Priority
from edged.discovery import discover
from edged.media.sound import RATE, SoundLimits, open_sound
from edged.ops.clips import CutRules
from edged.requests.recording import clips
from edged.testing import FakeRun, answer_of, conformance
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
    result = conformance(recognition.model, recognition.tools.sessions, clip, models=recognition.tools.models)
    assert result.texts[0] == "对"
    assert answer_of(recognition.card, result)["0"].startswith("对;")
    result = conformance(detection.model, detection.tools.sessions, clip, models=detection.tools.models)
    assert answer_of(detection.card, result) == {"0": '{"class":"是"}\n'}


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


def said(card, text, clip):
    model, speech = discover([HERE.parent], entry_points=False).models[card], Speech(text)
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


def test_the_cards_differ_in_the_vocabulary_alone():
    cards = [load_card(HERE / name) for name in ("recognition.yaml", "live.yaml")]
    assert [card.parameters["level"] for card in cards] == [1, 2]
    assert cards[0].uses == cards[1].uses
