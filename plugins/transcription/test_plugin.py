"""Any language through Whisper base: what is said, in which language, and the same in English."""

from typing import NamedTuple

import numpy as np
import pytest

from edged import AudioClip, Heard, TranscriptionOptions
from edged.cards import load_card
from edged.contracts.languages import LANGUAGES
from edged.contracts.slot import Priority
from edged.discovery import discover
from edged.media.sound import RATE, SoundLimits, open_sound
from edged.ops.clips import CutRules
from edged.requests.recording import clips
from edged.testing import FakeRun
from tests.speech import SAID, errors

ANY = TranscriptionOptions(language="auto", task="transcribe", prompt="", beam=1)
SILENCE = AudioClip(np.zeros(5 * RATE, np.float32), RATE, 0)


@pytest.fixture(scope="module")
def transcription(instance_of):
    return instance_of("whisper-transcription")


def hear(instance, path, **options):
    with path.open("rb") as file, open_sound(file, SoundLimits()) as sound:
        clip = next(clips(sound, instance.tools.models["voice"], CutRules(), FakeRun()))
    return instance.infer(clip, ANY.model_copy(update=options), FakeRun(), Priority.REQUEST)


@pytest.mark.parametrize(
    ("name", "language", "words"),
    [
        ("english.wav", "en", "mother nature"),
        ("man.wav", "en", "by the door"),
        ("hello-world.wav", "zh", "世界"),
        ("french.wav", "fr", "bonjour"),
        ("italian.wav", "it", "ciao mondo"),
        ("japanese.wav", "ja", "こんにちは世界"),
        ("portuguese.wav", "pt", "salta sobre"),
    ],
)
def test_the_language_is_found(transcription, media, name, language, words):
    (passage,) = hear(transcription, media(name)).passages
    assert passage.language == language
    assert words in passage.text.lower()
    assert -1 < passage.likelihood < 0
    assert 0 <= passage.silence < 0.5
    assert 0 <= passage.start_us < passage.end_us


def test_mandarin_is_written_as_by_its_own_service(transcription, media):
    (passage,) = hear(transcription, media("mandarin.wav")).passages
    text = "".join(letter for letter in passage.text if letter.isalnum())
    assert errors(text, SAID["mandarin.wav"]) <= 0.3 * len(SAID["mandarin.wav"])


def test_in_english(transcription, media):
    (passage,) = hear(transcription, media("hello-world.wav"), task="translate").passages
    assert passage.language == "zh"
    assert "world" in passage.text.lower()


def test_a_prompt_sets_the_spelling(transcription, media):
    plain = hear(transcription, media("english.wav"), language="en").passages[0]
    led = hear(transcription, media("english.wav"), language="en", prompt="so he said, call me NATURE " * 60)
    assert plain.text != led.passages[0].text
    assert "nature" in led.passages[0].text.lower()


def test_nobody_speaks(transcription):
    found = transcription.infer(SILENCE, ANY, FakeRun(), Priority.REQUEST)
    assert (found.passages, found.end_us) == ((), 5_000_000)


def test_it_knows_the_languages_that_are_told(instance_of):
    vocabulary = instance_of("whisper-base").tools.resources["vocabulary"]
    assert set(vocabulary._languages) == set(LANGUAGES)


class Speech(NamedTuple):
    """Hears the number of samples, and a language by it; remembers what was asked."""

    asked: list[tuple[int, dict[str, object]]]

    def infer(self, item, run, **options):
        self.asked.append((len(item.samples), options))
        language = options["language"] if options["language"] != "auto" else "de"
        return Heard(f"{len(item.samples)} 後", language, -0.5, 0.1)


def test_the_longest_passage_says_the_language():
    model = discover_one()
    spans = ((0, RATE), (3 * RATE, 6 * RATE), (8 * RATE, 8 * RATE + RATE // 2))
    clip = AudioClip(np.zeros(10 * RATE, np.float32), RATE, 20_000_000, spans)
    speech = Speech([])
    found = model.infer(clip, ANY, Tooled(speech), FakeRun())
    assert [(n, o["language"]) for n, o in speech.asked] == [
        (3 * RATE, "auto"),
        (RATE, "de"),
        (RATE // 2, "de"),
    ]
    assert [passage.start_us for passage in found.passages] == [20_000_000, 23_000_000, 28_000_000]
    assert found.passages[0].end_us == 21_000_000
    assert found.passages[0].text == f"{RATE} 後", "only Mandarin has simplified characters"
    chinese = model.infer(clip, ANY.model_copy(update={"language": "zh"}), Tooled(speech), FakeRun())
    assert chinese.passages[0].text == f"{RATE} 后"


class Tooled(NamedTuple):
    """Tools with that model alone."""

    speech: Speech

    @property
    def models(self):
        return {"speech": self.speech}


def discover_one():
    from pathlib import Path  # noqa: PLC0415 - for this alone

    folder = Path(__file__).parent
    model = discover([folder.parent], entry_points=False).models["whisper-transcription"]
    assert model.card.options == load_card(folder / "card.yaml").options
    return model
