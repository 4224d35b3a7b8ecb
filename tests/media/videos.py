"""Tiny videos with all that strangers' have, made on the spot, in memory."""

import io
from fractions import Fraction

import av
import numpy as np
import pytest

from edged.contracts.items import PixelFormat
from edged.media.sound import RATE

WHOLE = PixelFormat()
SIZE = 48, 64
ASKED = [
    ({}, list(range(10))),
    ({"start_us": 500_000, "end_us": 1_000_000}, [2, 3]),
    ({"start_us": 500_001}, list(range(3, 10))),
    ({"end_us": 90_000_000}, list(range(10))),
    ({"start_us": 2_500_000}, []),
    ({"start_us": 9_000_000, "step_us": 100_000}, []),
    ({"end_us": 0}, []),
    ({"step_us": 500_000}, [0, 2, 4, 6, 8]),
    ({"start_us": 600_000, "step_us": 1_000_000}, [2, 6]),
    ({"start_us": 600_000, "end_us": 1_600_000, "step_us": 1_000_000}, [2]),
    ({"rate": 3}, [0, 1, 2, 4, 5, 6, 8, 9]),
    ({"rate": 4}, list(range(10))),
    ({"rate": 8, "end_us": 1_000_000}, [0, 0, 1, 1, 2, 2, 3, 3]),
    ({"rate": 0.5}, [0, 8]),
]
"""What is asked of a video of ten pictures, four a second, and which of them it shows."""


def shades(number=10, size=SIZE):
    """Pictures, each lighter than the one before."""
    return [np.full((*size, 3), 20 + 20 * (i % 12), np.uint8) for i in range(number)]


def shade(frame):
    """Which of `shades` it is."""
    return round((int(np.median(frame.pixels(WHOLE))) - 20) / 20)


def film(
    pictures=None,
    rate=4,
    container="mp4",
    codec="libx264",
    pix_fmt="yuv420p",
    *,
    times=None,
    tick=None,
    sound=None,
    sound_from=0.0,
    options=None,
    tags=None,
    turn=0,
):
    """A file. `times`: when each picture is shown, in ticks; `sound`: samples at `RATE`, mono."""
    file = io.BytesIO()
    pictures = shades() if pictures is None else pictures
    with av.open(file, "w", format=container) as out:
        out.metadata.update(tags or {})
        track = out.add_stream(codec, rate, options=options or ({"g": "4"} if codec == "libx264" else {}))
        track.height, track.width = pictures[0].shape[:2]
        track.pix_fmt = pix_fmt
        if tick is not None:
            track.codec_context.time_base = track.time_base = tick
        if turn:
            track.set_display_rotation(turn)
        voice = out.add_stream("aac", RATE, layout="mono") if sound is not None else None
        packets = []
        for i, bgr in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(bgr, "bgr24").reformat(format=pix_fmt)
            frame.pts = i if times is None else times[i]
            frame.time_base = tick or 1 / Fraction(rate)
            packets += track.encode(frame)
        packets += track.encode(None)
        if voice is not None:
            packets += _spoken(voice, sound, sound_from)
            packets.sort(key=lambda packet: packet.dts * packet.time_base)
        out.mux(packets)
    return file.getvalue()


def _spoken(voice, sound, begin):
    whole = av.AudioFrame.from_ndarray(sound[None], "fltp", "mono")
    whole.sample_rate, whole.time_base, whole.pts = RATE, Fraction(1, RATE), round(begin * RATE)
    fit = av.AudioResampler(voice.format, "mono", RATE, voice.codec_context.frame_size or None)
    parts = [*fit.resample(whole), *fit.resample(None), None]
    return [packet for part in parts for packet in voice.encode(part)]


def goes_forward_once(video):
    """Who asks for its pictures again ends what was left of the first time."""
    early = video.frames()
    next(early)
    assert next(video.frames(start_us=500_000)).seq == 2
    with pytest.raises(RuntimeError, match="ends what the earlier call had left"):
        next(early)
    with pytest.raises(ValueError, match="not both"):
        video.frames(step_us=1, rate=1)
