"""The mel spectrum against a slow one, written as SIDEKIT's documentation has it."""

import subprocess
import sys

import numpy as np
import pytest

from edged.ops.audio import frames, kaldi_fbank, sidekit_mel, slaney_mel

RATE = 16_000


def slow_mel(samples):
    """One frame, one band, one bin after another."""
    edges = [700 * (10 ** (m / 2595) - 1) for m in np.linspace(*(mel(f) for f in (100, 8000)), 26)]
    rows = []
    for begin in range(0, len(samples) - 399, 160):
        frame = samples[begin : begin + 400].astype(np.float64)
        frame = np.array([frame[0] * 0.03, *(frame[i] - 0.97 * frame[i - 1] for i in range(1, 400))])
        window = np.array([0.5 - 0.5 * np.cos(2 * np.pi * i / 399) for i in range(400)])
        power = np.abs(np.fft.fft(frame * window, 512)) ** 2
        row = []
        for low, middle, high in zip(edges, edges[1:], edges[2:], strict=False):
            total = 0.0
            for k in range(257):
                hertz = k * RATE / 512
                if low < hertz <= middle:
                    total += power[k] * 2 / (high - low) * (hertz - low) / (middle - low)
                elif middle < hertz < high:
                    total += power[k] * 2 / (high - low) * (high - hertz) / (high - middle)
            row.append(np.log(total + 1e-9))
        rows.append(row)
    return np.array(rows)


def mel(hertz):
    return 2595 * np.log10(1 + hertz / 700)


def test_it_is_the_slow_one():
    samples = np.random.default_rng(0).normal(size=2000).astype(np.float32) * 0.1
    found = sidekit_mel(samples)
    assert found.shape == (11, 24)
    assert found.dtype == np.float32
    assert np.abs(found - slow_mel(samples)).max() < 1e-3


def test_a_tone_is_loudest_in_its_band():
    tone = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE).astype(np.float32)
    edges = 700 * (10 ** (np.linspace(mel(100), mel(8000), 26) / 2595) - 1)
    band = int(np.argmin(np.abs(edges[1:-1] - 1000)))
    assert set(sidekit_mel(tone).argmax(axis=1)) == {band}


@pytest.mark.parametrize(
    ("count", "expected"), [(0, 0), (399, 0), (400, 1), (559, 1), (560, 2), (16_000, 98)]
)
def test_only_whole_frames(count, expected):
    assert len(sidekit_mel(np.zeros(count, np.float32))) == expected
    assert np.isfinite(sidekit_mel(np.zeros(count, np.float32))).all()


def test_frames_are_views():
    samples = np.arange(10, dtype=np.float32)
    cut = frames(samples, 4, 3)
    assert cut.tolist() == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9]]
    assert np.shares_memory(cut, samples)


LIBROSA = """
import sys, librosa, numpy as np
sounds = np.load(sys.argv[1])
settings = {"n_fft": 400, "hop_length": 160, "n_mels": 80, "pad_mode": "reflect"}
power = {
    name: librosa.feature.melspectrogram(y=y, sr=16_000, **settings) for name, y in sounds.items()
}
np.savez(sys.argv[2], **power)
"""


@pytest.mark.slow
def test_slaney_mel_is_that_of_librosa(tmp_path):
    """Also the window, the mirrored ends and the frames' places.

    In a process of its own: it compiles for half a minute when it is imported first.
    """
    noise = np.random.default_rng(0).normal(size=47_777).astype(np.float32)
    sounds = {str(count): noise[:count] for count in (400, 16_000, 47_777)}
    np.savez(tmp_path / "in.npz", **sounds)
    command = [sys.executable, "-c", LIBROSA, str(tmp_path / "in.npz"), str(tmp_path / "out.npz")]
    subprocess.run(command, check=True)
    for name, power in np.load(tmp_path / "out.npz").items():
        count = int(name) // 160
        wanted = np.log10(np.maximum(power, 1e-10)).T[:count]
        found = slaney_mel(sounds[name])
        assert found.shape == wanted.shape == (count, 80)
        assert found.dtype == np.float32
        assert np.abs(found - wanted).max() < 1e-4


@pytest.mark.parametrize("samples", [0, 1, 159, 160, 200, 201])
def test_slaney_mel_of_a_moment(samples):
    """Nothing to mirror, or hardly: silence stands before and after it."""
    assert slaney_mel(np.ones(samples, np.float32)).shape == (samples // 160, 80)


def test_slaney_mel_of_silence_is_finite():
    assert (slaney_mel(np.zeros(16_000, np.float32)) == -10).all()


@pytest.mark.parametrize("samples", [200, 400, 16_000, 12_345])
def test_kaldi_fbank_is_that_of_kaldi(samples):
    """Of its native library: also the mirrored ends."""
    import kaldi_native_fbank as kaldi

    sound = np.random.default_rng(1).normal(0, 0.1, samples).astype(np.float32)
    options = kaldi.FbankOptions()
    options.frame_opts.dither = 0
    options.frame_opts.snip_edges = False
    options.mel_opts.num_bins = 80
    options.mel_opts.high_freq = -400
    library = kaldi.OnlineFbank(options)
    library.accept_waveform(16_000, sound.tolist())
    library.input_finished()
    wanted = np.stack([library.get_frame(i) for i in range(library.num_frames_ready)])
    found = kaldi_fbank(sound)
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() < 0.01
