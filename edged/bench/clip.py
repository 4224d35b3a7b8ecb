"""A clip as a camera sends it, made on the spot: things that move before a textured ground, H.264."""

import io
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import cast

import av
import av.error
import cv2
import numpy as np

from edged.contracts.errors import NotReady
from edged.contracts.items import Pixels

FPS = 30
KEY_EVERY = FPS
"""Pictures from one key frame to the next."""
BITS_A_SECOND = 2_000_000
"""As cameras of 720p commonly send."""
_ENCODER = "libx264"
_OPTIONS = {"preset": "veryfast", "bf": "0", "sc_threshold": "0"}
_THINGS = 8
_GRAIN = 12
"""Levels of a sensor's noise, at most: without it there is nothing to decode where nothing moves."""


def pictures(size: tuple[int, int], count: int) -> Iterator[Pixels]:
    """BGR pictures of (height, width), the same each time, that end where they began."""
    height, width = size
    rng = np.random.default_rng(5)
    ground = cv2.GaussianBlur(rng.integers(0, 256, (height, width, 3), np.uint8), (0, 0), 4)
    ground = cv2.normalize(ground, np.empty_like(ground), 40, 200, cv2.NORM_MINMAX)
    side = height // 6
    blots = rng.integers(0, 256, (_THINGS, side // 8 + 1, side // 8 + 1, 3), np.uint8)
    things = [cv2.resize(blot, (side, side), interpolation=cv2.INTER_CUBIC) for blot in blots]
    grain = rng.integers(0, _GRAIN, (height + 64, width + 64, 3), np.uint8)
    for number in range(count):
        picture = ground.copy()
        for which, thing in enumerate(things):
            turn = 2 * np.pi * (number / count + which / _THINGS)
            top = int((height - side) * (0.5 + 0.5 * np.sin(turn * (1 + which % 2))))
            left = int((width - side) * (0.5 + 0.5 * np.cos(turn)))
            picture[top : top + side, left : left + side] = thing
        down, right = rng.integers(0, 64, 2)
        yield cv2.add(picture, grain[down : down + height, right : right + width])


def encoded(size: tuple[int, int], seconds: int) -> list[bytes]:
    """MPEG-TS of so many seconds, cut before each picture; it may be played again and again.

    Raises `NotReady` where FFmpeg cannot encode H.264.
    """
    try:
        av.Codec(_ENCODER, "w")
    except av.codec.codec.UnknownCodecError as error:
        raise NotReady(f"the encoder `{_ENCODER}` is missing in this build of PyAV's FFmpeg") from error
    file = io.BytesIO()
    # The counters of its packets begin anew each time it is played, which is no loss.
    options = {"mpegts_flags": "initial_discontinuity", "flush_packets": "1"}
    with av.open(file, "w", format="mpegts", container_options=options) as container:
        track = cast(av.VideoStream, container.add_stream(_ENCODER, FPS, _OPTIONS))
        track.height, track.width = size
        track.pix_fmt, track.bit_rate = "yuv420p", BITS_A_SECOND
        track.codec_context.gop_size = KEY_EVERY
        track.codec_context.time_base = Fraction(1, FPS)
        cuts = [0]
        for number, picture in enumerate(pictures(size, seconds * FPS)):
            frame = av.VideoFrame.from_ndarray(picture, "bgr24").reformat(format="yuv420p")
            frame.pts = number
            for packet in track.encode(frame):
                container.mux(packet)
                cuts.append(file.tell())
        for packet in track.encode(None):
            container.mux(packet)
            cuts.append(file.tell())
    whole = file.getvalue()
    return [whole[begin:end] for begin, end in pairwise(cuts) if end > begin]
