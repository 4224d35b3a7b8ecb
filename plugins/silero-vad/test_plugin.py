"""Silero VAD: the real weights on people, a guitar and silence."""

import numpy as np
import pytest

from edged import AudioClip, Options
from edged.contracts.slot import Priority
from edged.media.sound import RATE, SoundLimits, open_sound
from edged.testing import FakeRun


@pytest.fixture(scope="module")
def voice(instance_of):
    return instance_of("silero-vad")


def samples(path):
    with path.open("rb") as file, open_sound(file, SoundLimits()) as sound:
        return np.concatenate(list(sound.pieces))


def probabilities(voice, sound):
    return voice.infer(AudioClip(sound, RATE, 0), Options(), FakeRun(), Priority.REQUEST).probabilities


def test_people_speak_and_a_guitar_does_not(voice, media):
    for name in ("mandarin.wav", "english.wav"):
        assert np.mean(probabilities(voice, samples(media(name))) > 0.5) > 0.5
    assert probabilities(voice, samples(media("guitar.wav"))).max() < 0.5


def test_pieces_of_a_stream_are_heard_as_the_whole_is(voice, media):
    sound, options = samples(media("mandarin.wav")), Options()
    state, found = voice.start(options), []
    for begin in range(0, len(sound), 15 * 512):
        chunk = AudioClip(sound[begin : begin + 15 * 512], RATE, 0)
        activity, state = voice.step(chunk, state, options, FakeRun(), Priority.FRAME)
        found.append(activity.probabilities)
    assert np.array_equal(np.concatenate(found), probabilities(voice, sound))


@pytest.mark.parametrize("length", [1, 511, 512, 513])
def test_one_probability_for_each_window_begun(voice, length):
    assert len(probabilities(voice, np.zeros(length, np.float32))) == -(-length // 512)


def test_it_holds_no_state_of_its_own(voice, media):
    sound = samples(media("english.wav"))
    assert np.array_equal(probabilities(voice, sound), probabilities(voice, sound))
