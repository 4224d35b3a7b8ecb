"""YAMNet: the real weights on a guitar, on people, and on people with a guitar behind them."""

import numpy as np
import pytest

from edged import AudioClip, DetectionThreshold, Options
from edged.contracts.services import card_options
from edged.contracts.slot import Priority
from edged.media.sound import RATE, SoundLimits, open_sound
from edged.repository.instance import UsedModel
from edged.testing import FakeRun, answer_of


@pytest.fixture(scope="module")
def yamnet(instance_of):
    return instance_of("yamnet")


def samples(path):
    with path.open("rb") as file, open_sound(file, SoundLimits()) as sound:
        return np.concatenate(list(sound.pieces))


def score(yamnet, sound):
    options = card_options(yamnet.card)
    clip = AudioClip(sound, RATE, 0)
    return yamnet.infer(clip, options, FakeRun(), Priority.REQUEST).score


def test_music_and_voices_are_far_apart(yamnet, media):
    assert score(yamnet, samples(media("guitar.wav"))) > 0.9
    for name in ("mandarin.wav", "english.wav"):
        assert score(yamnet, samples(media(name))) < 0.1


@pytest.mark.parametrize("decibel", [0, 10, 20])
@pytest.mark.parametrize("name", ["mandarin.wav", "english.wav"])
def test_music_is_heard_behind_a_voice(yamnet, media, name, decibel):
    speech = samples(media(name))
    guitar = np.resize(samples(media("guitar.wav")), len(speech))
    loud = np.sqrt(np.mean(speech**2) / np.mean(guitar**2) / 10 ** (decibel / 10))
    mixed = np.clip(speech + loud * guitar, -1, 1).astype(np.float32)
    assert score(yamnet, mixed) > yamnet.card.options_as(DetectionThreshold).threshold


def test_silence_and_noise_are_no_music(yamnet):
    noise = np.random.default_rng(0).normal(size=4 * RATE).astype(np.float32) * 0.05
    assert score(yamnet, noise) < 0.1
    assert score(yamnet, np.zeros(160, np.float32)) < 0.1


def test_the_labels_of_the_contract(yamnet, media):
    clip = AudioClip(samples(media("guitar.wav")), RATE, 0)
    result = UsedModel(yamnet).infer(clip, FakeRun())

    def labelled(**options):
        return answer_of(yamnet.card, result, **options)

    assert labelled(language="zh", threshold=0.3) == {"0": '{"class":"是"}\n'}
    assert labelled(language="en", threshold=0.3) == {"0": '{"class":"Yes"}\n'}
    assert labelled(language="en", threshold=0.9999) == {"0": '{"class":"No"}\n'}


def test_a_second_is_a_window_of_events(instance_of, media):
    events, silence = instance_of("yamnet-events"), np.zeros(2 * RATE, np.float32)
    sound = np.concatenate([silence, samples(media("guitar.wav"))[: 2 * RATE], silence[:1]])
    found = events.infer(AudioClip(sound, RATE, 0), Options(), FakeRun(), Priority.REQUEST)
    assert (len(found.probabilities), found.step_us) == (5, 1_000_000)
    music = found.probabilities[:, found.names.index("Music")]
    assert music[2:4].min() > 0.9
    assert music[:2].max() < 0.1
    assert found.names[13] == "Laughter"
