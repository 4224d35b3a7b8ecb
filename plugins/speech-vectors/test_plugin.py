"""How speech sounds: the mean of Whisper's states over the voice."""

import numpy as np
import pytest

from edged import AudioClip, Options
from edged.answers.finding import Finding
from edged.contracts.errors import NotUsable
from edged.contracts.services import service
from edged.contracts.slot import Priority
from edged.contracts.speech import Clips
from edged.media.sound import RATE, SoundLimits, open_sound
from edged.ops.clips import CutRules, voiced_parts
from edged.requests.recording import clips
from edged.testing import FakeRun, answer_of

SILENCE = AudioClip(np.zeros(2 * RATE, np.float32), RATE, 0)


@pytest.fixture(scope="module", params=["zh", "en"])
def vectors(instance_of, request):
    return instance_of(f"speech-vector-{request.param}")


def first_clip(instance, path):
    with path.open("rb") as file, open_sound(file, SoundLimits()) as sound:
        return next(clips(sound, instance.tools.models["voice"], CutRules(), FakeRun()))


def vector(instance, clip):
    return instance.infer(clip, Options(), FakeRun(), Priority.REQUEST)


def cosine(a, b):
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_it_is_the_mean_over_the_voice(vectors, media):
    clip = first_clip(vectors, media("english.wav"))
    found = vector(vectors, clip)
    speech = vectors.tools.models["speech"]
    heard = [speech.infer(part, FakeRun(), task="states").states for part in voiced_parts(clip, 1.0, 12.0)]
    states = np.concatenate(heard)
    assert states.shape[1] == len(found.mean) == 512
    assert abs(len(states) / 50 - clip.voiced_seconds) < 0.2
    assert np.allclose(found.mean, states.mean(axis=0), atol=1e-4)
    assert found.seconds == clip.voiced_seconds


def test_silence_around_the_voice_does_not_count(vectors, media):
    clip = first_clip(vectors, media("english.wav"))
    silence = np.zeros(RATE, np.float32)
    spans = tuple((begin + RATE, end + RATE) for begin, end in clip.voiced)
    later = AudioClip(np.concatenate([silence, clip.samples, silence]), RATE, 0, spans)
    assert cosine(vector(vectors, clip).mean, vector(vectors, later).mean) > 0.95


def test_the_answer_is_one_string(vectors, media):
    clip = first_clip(vectors, media("mandarin.wav"))
    said, silent = vector(vectors, clip), vector(vectors, SILENCE)
    of = service(vectors.card.service)
    answer = Finding(of, Clips([(0, said), (9, silent)]), Options()).answer()
    assert np.allclose([float(one) for one in answer.split(",")], said.mean, rtol=1e-4)
    with pytest.raises(NotUsable, match="nobody speaks"):
        answer_of(vectors.card, silent)
