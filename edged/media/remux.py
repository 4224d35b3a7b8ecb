"""A file that is played, made of a camera's packets: pictures as they came, sound too where MP4 can."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error

from edged.media.ring import Forms, Kept, Packet, Take, sound_decoder

_TICKS = Fraction(1, 90_000)
_RATE, _BITS = 48_000, 128_000
_PRIMED = 2
"""Packets of sound before the beginning, which players leave out: a decoder needs them to begin well."""
_TAGS = {"hevc": "hvc1"}
"""As Apple's players want it."""


def remux(take: Take, path: Path) -> None:
    """Write all that a take gives into an MP4 file, its first picture at 0. Returns when the take has ended.

    Raises `OSError`, `av.error.FFmpegError` for what cannot be written.
    """
    options = {"movflags": "faststart"}  # FFmpeg opens the file again by its name for that
    with av.open(str(path), "w", format="mp4", options=options) as film:
        pictures = _Copy(film, take.forms.video, _TICKS)
        sound = _sound(film, take.forms) if take.has_sound else None
        start: float | None = None
        while (kept := take.next()) is not None:
            if start is None and kept.is_video:
                start = kept.shown
            early = _PRIMED * kept.seconds if not kept.is_video else 0.0
            if start is None or kept.shown + early < start:
                continue  # sound from before, and pictures that build on those of before
            if (track := pictures if kept.is_video else sound) is not None:
                film.mux(track.packets(kept, start))
        if sound is not None:
            film.mux(sound.rest())


class _Copy:
    """A track whose packets are those that came."""

    def __init__(self, film: av.container.OutputContainer, template: Any, unit: Fraction) -> None:
        self._track = film.add_stream_from_template(template, opaque=True)
        self._track.time_base = self._unit = unit
        name = template.codec_context.name
        if name in _TAGS:
            self._track.codec_context.codec_tag = _TAGS[name]
        self._last: int | None = None

    def packets(self, kept: Kept, start: float) -> list[Packet]:
        """Its own, with times of the file; none where it came twice. That of the ring stays as it is."""
        decoded, shown = (round((at - start) / self._unit) for at in (kept.at, kept.shown))
        if self._last is not None and decoded <= self._last:
            if not kept.is_video:
                return []
            decoded = self._last + 1
        self._last = decoded
        packet: Packet = av.Packet(bytes(kept.packet))
        packet.stream, packet.time_base, packet.is_keyframe = self._track, self._unit, kept.packet.is_keyframe
        packet.dts, packet.pts = decoded, max(decoded, shown)
        packet.duration = round(kept.seconds / self._unit)
        return [packet]

    def rest(self) -> list[Packet]:
        """Nothing is held back."""
        return []


class _Encoded:
    """Sound that is decoded and becomes AAC."""

    def __init__(self, film: av.container.OutputContainer, heard: av.AudioCodecContext) -> None:
        self._decoder = sound_decoder(heard)
        layout = "mono" if heard.channels == 1 else "stereo"
        self._track = film.add_stream("aac", _RATE, layout=layout, bit_rate=_BITS)

    def packets(self, kept: Kept, start: float) -> list[Packet]:
        """Those that are ready."""
        try:
            frames = self._decoder.decode(av.Packet(bytes(kept.packet)))
        except av.error.FFmpegError:  # damaged, or of a kind that tells too little of itself, as G.726
            return []
        encoded, at = [], kept.shown - start
        for frame in frames:
            frame.time_base = Fraction(1, frame.sample_rate)
            frame.pts = round(at * frame.sample_rate)
            at += frame.samples / frame.sample_rate
            encoded += self._track.encode(frame)
        return encoded

    def rest(self) -> list[Packet]:
        """What the encoder holds back."""
        return self._track.encode(None)


def _sound(film: av.container.OutputContainer, forms: Forms) -> _Copy | _Encoded | None:
    if forms.copied is not None:
        return _Copy(film, forms.copied, Fraction(1, forms.copied.codec_context.sample_rate))
    return None if forms.decoded is None else _Encoded(film, forms.decoded)
