"""Videos of strangers, made on the spot, whose pictures and sound tell where they were."""

import io
import struct
from fractions import Fraction

import av
import numpy as np

from edged.media.colour import bgr_of_yuv, yuv_of_bgr
from edged.media.sound import RATE, SoundLimits, open_sound

SECOND = 1_000_000
BEEP_S = 1.2
"""Where the sound of every video is, a tenth of a second long; there is silence around it."""


def shade(index):
    """Of the picture with this number."""
    return 30 + 3 * (index % 60)


def picture(index, size):
    """BGR, all of one shade but for the upper half, which is a little lighter."""
    height, width = size
    bgr = np.full((height, width, 3), shade(index), np.uint8)
    bgr[: height // 2] += 10
    return bgr


def planar(bgr):
    """The picture as YUV of limited range, by BT.601."""
    frame = av.VideoFrame(bgr.shape[1], bgr.shape[0], "yuv420p")
    for place, plane in zip(frame.planes, yuv_of_bgr(bgr, "bt601"), strict=True):
        place.update(np.pad(plane, ((0, 0), (0, place.line_size - plane.shape[1]))).tobytes())
    return frame


def exact(frame, matrix):
    """BGR of a frame of YUV 4:2:0."""
    planes = [
        np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
        for plane in frame.planes
    ]
    return bgr_of_yuv(planes, "bt709" if matrix == 1 else "bt601")


def evenly(count, fps=25):
    """Times of pictures, seconds."""
    return [Fraction(i) / Fraction(fps) for i in range(count)]


def video(
    times, size=(48, 64), *, form="mp4", codec="libx264", sound=None, rate=44_100, turned=0, options=None,
    base=Fraction(1, 90_000), pix_fmt="yuv420p", aspect=None, seconds=None,
):  # fmt: skip
    """A file with a picture at each of the times, and with a beep at `BEEP_S`."""
    file = io.BytesIO()
    with av.open(file, "w", format=form) as out:
        fps = Fraction(len(times), 1) / (times[-1] + times[1] - times[0]) if len(times) > 1 else 25
        track = out.add_stream(codec, Fraction(fps).limit_denominator(1001), options)
        track.height, track.width = size
        track.pix_fmt = pix_fmt
        track.codec_context.time_base = base
        if aspect is not None:
            track.codec_context.sample_aspect_ratio = aspect
        if turned:
            track.set_display_rotation(turned)
        voice = out.add_stream(sound, rate, layout="mono") if sound else None
        for i, at in enumerate(times):
            frame = planar(picture(i, size)).reformat(format=pix_fmt)
            frame.pts, frame.time_base = round(at / base), base
            out.mux(track.encode(frame))
        out.mux(track.encode(None))
        if voice is not None:
            for packet in beeping(voice, rate, float(seconds or times[-1] + Fraction(1, 25))):
                out.mux(packet)
    return file.getvalue()


def beeping(voice, rate, seconds):
    """Packets of silence with a beep."""
    at = np.arange(int(seconds * rate)) / rate
    loud = (at >= BEEP_S) & (at < BEEP_S + 0.1)
    samples = np.where(loud, 0.5 * np.sin(2 * np.pi * 800 * at), 0).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(samples[None], "fltp", "mono")
    frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
    fit = av.AudioResampler(voice.format, "mono", rate, voice.codec_context.frame_size or None)
    for part in [*fit.resample(frame), *fit.resample(None)]:
        yield from voice.encode(part)
    yield from voice.encode(None)


class Read:
    """What a player finds in a film."""

    def __init__(self, data):
        with av.open(io.BytesIO(data), "r") as container:
            track = container.streams.video[0]
            self.codec = track.codec_context.name
            self.profile = track.codec_context.profile
            self.pix_fmt = track.codec_context.pix_fmt
            self.range = track.codec_context.color_range
            self.matrix = track.codec_context.colorspace
            self.aspect = track.sample_aspect_ratio
            self.rate = track.average_rate
            self.seconds = seconds_of(track)
            self.sounds = [one.codec_context.name for one in container.streams.audio]
            self.sound_s = [seconds_of(one) for one in container.streams.audio]
            frames = list(container.decode(track))
        self.times = [frame.time for frame in frames]
        self.pictures = [exact(frame, self.matrix) for frame in frames]
        self.shades = [float(bgr[bgr.shape[0] * 3 // 4 :].mean()) for bgr in self.pictures]
        self.size = self.pictures[0].shape[:2]
        self.boxes = boxes(data)
        if self.sounds:
            with open_sound(io.BytesIO(data), SoundLimits()) as heard:
                samples = np.abs(np.concatenate(list(heard.pieces)))
            loud = np.flatnonzero(samples > 0.1)
            self.beep_s = float(loud[0]) / RATE if len(loud) else None


def seconds_of(track):
    """Its length."""
    return float(track.duration * track.time_base)


def boxes(data):
    """Kinds of the boxes of an MP4 file, as they lie."""
    found, at = [], 0
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, at + 8)
        found.append(kind.decode())
        at += length
    return found
