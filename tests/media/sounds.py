"""Recordings of a tone, made on the spot."""

import io
import wave
from fractions import Fraction

import av
import numpy as np

from edged.media.sound import RATE


def tone(seconds=2.0, rate=48_000, hertz=440.0):
    """A sine of half the loudest."""
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def encoded(samples, container="wav", codec="pcm_s16le", rate=48_000, layout="mono", *, video=False):
    """The samples as a file; more channels all hold the same."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        if video:
            picture = out.add_stream("mpeg4", 25)
            picture.width = picture.height = 64
            picture.pix_fmt = "yuv420p"
        sound = out.add_stream(codec, rate, layout=layout) if codec else None
        if video:
            for _ in range(10):
                out.mux(picture.encode(av.VideoFrame(64, 64, "yuv420p")))
            out.mux(picture.encode(None))
        if sound is not None:
            channels = av.AudioLayout(layout).nb_channels
            frame = av.AudioFrame.from_ndarray(np.tile(samples, (channels, 1)), "fltp", layout)
            frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
            fit = av.AudioResampler(sound.format, layout, rate, sound.codec_context.frame_size or None)
            for part in [*fit.resample(frame), *fit.resample(None)]:
                out.mux(sound.encode(part))
            out.mux(sound.encode(None))
    return file.getvalue()


def nothing_in_it():
    """A WAV file without a sample."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, RATE, 0, "NONE", ""))
    return file.getvalue()


def pitch(samples):
    """Hertz of the loudest tone, of samples at `RATE`."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return np.argmax(spectrum) * RATE / len(samples)
