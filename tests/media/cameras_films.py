"""Films that play a camera: no two pictures are alike, and there is a beep every two seconds."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np

FPS, RATE = 25, 48_000
BEEP_EVERY_S, BEEP_S = 2, 0.1
BRIGHT = 235
"""The shade of pictures while it beeps."""


def write_film(path: Path, seconds: int, sound: str | None = "aac", codec="libx264", rate=RATE, **options):
    """A key frame each second. The upper half is bright while it beeps, and else gets brighter over a second;
    the lower half gets brighter each second."""
    options = (
        {"g": str(FPS), "sc_threshold": "0", "crf": "10", **options}
        if codec.startswith("libx26")
        else options
    )
    with av.open(str(path), "w") as film:
        pictures: Any = film.add_stream(codec, FPS, options)
        pictures.width, pictures.height = 64, 48
        pictures.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        voice: Any = film.add_stream(sound, rate, layout="mono") if sound else None
        for i in range(seconds * FPS):
            at = i % (BEEP_EVERY_S * FPS)
            shade = BRIGHT if 1 <= at / FPS < 1 + BEEP_S else 40 + 2 * (i % FPS)
            luma = np.full((48, 64), shade, np.uint8)
            luma[24:] = 30 + 6 * (i // FPS)
            frame = av.VideoFrame.from_ndarray(luma, "gray")
            frame = frame.reformat(format=pictures.pix_fmt)
            frame.pts, frame.time_base = i, Fraction(1, FPS)
            film.mux(pictures.encode(frame))
            if voice is not None:
                film.mux(voice.encode(_sound(i, rate)))
        film.mux(pictures.encode(None))
        if voice is not None:
            film.mux(voice.encode(None))
    return path


def _sound(i, rate):
    count = rate // FPS
    at = (np.arange(count) + i * count) / rate
    beeps = (at % BEEP_EVERY_S >= 1) & (at % BEEP_EVERY_S < 1 + BEEP_S)
    frame = av.AudioFrame.from_ndarray(
        (0.5 * np.sin(2 * np.pi * 1000 * at) * beeps).astype(np.float32)[None], "fltp", "mono"
    )
    frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), i * count
    return frame


def pictures(path: Path) -> list[tuple[float, bytes]]:
    """When each is shown, and its luma."""
    with av.open(str(path)) as film:
        return [(frame.time, frame.to_ndarray(format="gray").tobytes()) for frame in film.decode(video=0)]


def packets(path: Path) -> list[bytes]:
    """Of the pictures, in the order of decoding."""
    with av.open(str(path)) as film:
        return [bytes(packet) for packet in film.demux(video=0) if packet.size]


def decoding_times(path: Path) -> list[int]:
    """Of the pictures."""
    with av.open(str(path)) as film:
        return [packet.dts for packet in film.demux(video=0) if packet.size]


def beeps(path: Path) -> list[float]:
    """When each beep begins, seconds."""
    at, loud = [], []
    with av.open(str(path)) as film:
        for frame in film.decode(audio=0):
            samples = np.abs(frame.to_ndarray().astype(np.float32)).mean(0)
            at += (float(frame.time or 0) + np.arange(samples.size) / frame.sample_rate).tolist()
            loud += (samples > 0.2 * (1 if frame.format.name.startswith("flt") else 32768)).tolist()
    found = [t for t, is_loud in zip(at, loud, strict=True) if is_loud]
    return [t for before, t in pairwise([-1.0, *found]) if t - before > 0.5]


def flashes(path: Path) -> list[float]:
    """When each bright span begins, seconds."""
    bright = [at for at, luma in pictures(path) if luma[0] > BRIGHT - 20]
    return [t for before, t in pairwise([-1.0, *bright]) if t - before > 0.5]
