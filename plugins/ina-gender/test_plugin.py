"""inaSpeechSegmenter: a woman and a man with the real weights; the graph against the layers one by one."""

from pathlib import Path

import numpy as np
import pytest

from edged import AudioClip, CardError, LabelOptions
from edged.builders import hdf5_arrays
from edged.cards import load_card
from edged.contracts.slot import Priority
from edged.media.sound import RATE, SoundLimits, open_sound
from edged.ops.clips import CutRules
from edged.repository.instance import UsedModel
from edged.requests.recording import clips
from edged.testing import FakeRun, answer_of

CARD = load_card(Path(__file__).parent / "card.yaml")
OPTIONS = CARD.options_as(LabelOptions)


@pytest.fixture(scope="module")
def gender(instance_of):
    return instance_of("ina-gender")


def first_clip(instance, path):
    with path.open("rb") as file, open_sound(file, SoundLimits()) as sound:
        return next(clips(sound, instance.tools.models["voice"], CutRules(), FakeRun()))


def female(instance, clip):
    return instance.infer(clip, OPTIONS, FakeRun(), Priority.REQUEST).female


@pytest.mark.parametrize("precision", ["auto", "f32"])
def test_a_woman_and_a_man(instance_of, media, precision):
    gender = instance_of("ina-gender", precision)
    assert female(gender, first_clip(gender, media("woman.wav"))) > 0.95
    for name in ("man.wav", "english.wav", "mandarin.wav"):
        assert female(gender, first_clip(gender, media(name))) < 0.05


def test_the_contract(gender, media):
    clip = first_clip(gender, media("woman.wav"))
    result = UsedModel(gender).infer(clip, FakeRun())
    assert answer_of(CARD, result) == {"0": '{"class":"女"}\n'}
    assert answer_of(CARD, result, language="en") == {"0": '{"class":"female"}\n'}


def test_where_nobody_speaks_there_is_no_speaker(gender, media):
    assert female(gender, first_clip(gender, media("guitar.wav"))) is None
    assert female(gender, AudioClip(np.zeros(5 * RATE, np.float32), RATE, 0)) is None


@pytest.mark.parametrize("samples", [4800, 6000, 11_000, 16_000])
def test_a_short_voice_is_enough(gender, media, samples):
    whole = first_clip(gender, media("man.wav"))
    begin = whole.voiced[0][0] + RATE // 2
    clip = AudioClip(whole.samples[begin : begin + samples], RATE, 0, ((0, samples),))
    assert female(gender, clip) < 0.5


def test_silence_that_is_taken_for_a_voice_gives_a_number(gender):
    silent = AudioClip(np.zeros(RATE, np.float32), RATE, 0, ((0, RATE),))
    assert 0 <= female(gender, silent) <= 1


def test_the_graph_is_the_network_of_the_weights(gender, weight_store):
    """Layer by layer in numpy, the batch normalisation where Keras has it."""
    name = "keras_male_female_cnn.hdf5"
    arrays = hdf5_arrays(weight_store.ensure(CARD, [name], print)[name])
    patches = np.random.default_rng(0).normal(size=(2, 68, 24)).astype(np.float32)
    fed = gender.tools.sessions["main"].run({"patches": patches})["probabilities"]
    assert np.abs(fed - reference(arrays, patches)).max() < 1e-3


def reference(arrays, patches):
    def of(layer, part):
        return arrays[f"model_weights/{layer}/{layer}/{part}:0"].astype(np.float64)

    def normalised(value, number):
        gamma, beta, mean, variance = (
            of(f"batch_normalization_{number}", part)
            for part in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        return np.maximum(0, (value - mean) / np.sqrt(variance + 1e-3) * gamma + beta)

    value = patches[..., None].astype(np.float64)  # [n, frames, bands, channels], as Keras has it
    for i, pool in zip(range(1, 6), [None, (1, 2), None, (2, 2), (28, 1)], strict=True):
        windows = np.lib.stride_tricks.sliding_window_view(value, (3, 3), axis=(1, 2))
        value = np.einsum("nxycab,abco->nxyo", windows, of(f"conv2d_{i}", "kernel"), optimize=True)
        value = normalised(value + of(f"conv2d_{i}", "bias"), i)
        if pool is not None:
            high, wide = value.shape[1] // pool[0], value.shape[2] // pool[1]
            value = value[:, : high * pool[0], : wide * pool[1]]
            value = value.reshape(len(value), high, pool[0], wide, pool[1], -1).max(axis=(2, 4))
    value = value.reshape(len(value), -1)
    for i in range(1, 5):
        value = normalised(value @ of(f"dense_{i}", "kernel") + of(f"dense_{i}", "bias"), 5 + i)
    value = np.exp(value @ of("dense_5", "kernel") + of("dense_5", "bias"))
    return value / value.sum(axis=1, keepdims=True)


def test_weights_without_a_layer_are_refused_by_its_name(gender, tmp_path):
    import h5py  # noqa: PLC0415 - this test alone writes HDF5

    with h5py.File(tmp_path / "empty.hdf5", "w") as file:
        file["model_weights/other"] = np.zeros(3)
    with pytest.raises(CardError, match="no kernel of conv2d_1"):
        gender.model.build_graph("main", {"a": tmp_path / "empty.hdf5"})
