"""The newest packets of a camera, as they came: nothing is decoded, nothing copied."""

import io
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import av
from av.format import Flags

COPIED = ("aac", "mp3", "opus", "flac")
"""Sound that an MP4 file can carry and browsers play; other sound becomes AAC."""
MOST_SECONDS = 600.0
"""Of a recording after it was begun, however often it is prolonged."""
_JUMP_S = (-1.0, 60.0)
"""A camera whose clock goes back, or ahead, by more begins anew."""
_STUCK = 10
"""Pictures. FFmpeg does not tell of the first ones of an RTSP camera when they are decoded."""
_NO_TIMES: int = Flags.no_timestamps.value  # type: ignore[assignment]
_EARLIER_S = 0.2
"""Sound is kept from so long before the first picture: a decoder needs some to begin well."""
_FALLBACK_S = 1 / 25
"""How long a picture is shown that does not say."""
Packet = Any
"""`av.Packet`, generic for type checkers alone."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A packet and its place on the clock of the ring, seconds."""

    packet: Packet
    at: float
    """When it is decoded; of pictures it never goes back."""
    shown: float
    """When it is shown or heard."""
    is_video: bool
    starts: bool
    """A picture that stands alone."""

    @property
    def seconds(self) -> float:
        """How long it says that it is; 0: it does not say."""
        return float((self.packet.duration or 0) * self.packet.time_base)


class Forms:
    """What packets are of, for whoever writes a file of them: outlives the container they came from."""

    def __init__(self, video: av.VideoStream, audio: av.AudioStream | None) -> None:
        """Raises `ValueError` for video that MP4 cannot hold."""
        self._holder = av.open(io.BytesIO(), "w", format="mp4")
        self.video = self._holder.add_stream_from_template(video, opaque=True)
        heard = None if audio is None else audio.codec_context
        self.copied: Any = None
        """Sound that is copied; none: it is not."""
        if audio is not None and heard is not None and heard.name.removesuffix("float") in COPIED:
            self.copied = self._holder.add_stream_from_template(audio)
        self.decoded = None if heard is None or self.copied else sound_decoder(heard)
        """Of sound that must be decoded; none: it is copied, or there is none."""
        self.key = tuple(_described(context) for context in (video.codec_context, heard) if context)
        """Equal for two openings whose packets go into one file."""

    @property
    def has_sound(self) -> bool:
        """Whether packets of it are of use."""
        return self.copied is not None or self.decoded is not None


def sound_decoder(like: av.AudioCodecContext) -> av.AudioCodecContext:
    """Another one that decodes the same."""
    made = cast(av.AudioCodecContext, av.CodecContext.create(like.name, "r"))
    made.extradata, made.sample_rate, made.layout = like.extradata, like.sample_rate, like.layout
    return made


class Take:
    """Packets on their way from a camera to the file that is written of them. Safe from all threads."""

    def __init__(self, forms: Forms, first: list[Kept], now: float, seconds: float, most_bytes: int) -> None:
        """`first`: what came before; it takes more until `seconds` after `now`, on the ring's clock."""
        self.forms = forms
        self.has_sound = any(not kept.is_video for kept in first)
        self.cut_short = ""
        """Why it ended before its time."""
        self._waiting = deque(first)
        self._bytes = sum(kept.packet.size for kept in first)
        self._most = self._bytes + most_bytes
        self._last = now + MOST_SECONDS
        self._until = now
        self._ended = False
        self._news = threading.Condition()
        self.prolong(now, seconds)

    def prolong(self, now: float, seconds: float) -> bool:
        """Go on until so long after `now` at least; whether it had not ended."""
        with self._news:
            self._until = max(self._until, min(now + seconds, self._last))
            return not self._ended

    def put(self, kept: Kept) -> bool:
        """Another one; whether more is wanted. Never waits: a writer that is too slow ends the recording."""
        with self._news:
            if self._ended:
                return False
            if kept.is_video and kept.at >= self._until:
                self._ended = True
            elif self._bytes + kept.packet.size > self._most:
                self._ended, self.cut_short = True, "the disk is too slow"
            else:
                self._waiting.append(kept)
                self._bytes += kept.packet.size
            self._news.notify()
            return not self._ended

    def end(self, why: str = "") -> None:
        """No more comes, or is wanted; what waits is still written."""
        with self._news:
            if not self._ended:
                self._ended, self.cut_short = True, why
            self._news.notify()

    def next(self) -> Kept | None:
        """Waits for it; none: that was all."""
        with self._news:
            self._news.wait_for(lambda: self._waiting or self._ended)
            if not self._waiting:
                return None
            kept = self._waiting.popleft()
            self._bytes -= kept.packet.size
            return kept


class _Clock:
    """When packets are decoded and shown, as the camera says, or as they come where that is of no use."""

    def __init__(self) -> None:
        self.now = 0.0
        """When the newest picture is decoded."""
        self._end = self._shift = 0.0
        self._is_timed = True
        self._stuck = 0.0
        """So many pictures of a camera said that no time had passed."""

    def begin(self, container: av.container.InputContainer, *, is_file: bool, goes_on: bool) -> None:
        """Another opening; `goes_on`: it follows the one before without a gap."""
        video = container.streams.video[0]
        start = float((video.start_time or 0) * (video.time_base or 0))
        self._shift = self._end - start if goes_on else 0.0
        self._is_timed = is_file or not container.format.flags & _NO_TIMES
        self._stuck = -math.inf if is_file else 0

    def placed(self, packet: Packet, *, is_video: bool) -> Kept:
        """The packet and its times."""
        starts = is_video and packet.is_keyframe
        if self._is_timed:
            base, dts, pts = float(packet.time_base), packet.dts, packet.pts
            at = self.now if dts is None else dts * base + self._shift
            shown = at if pts is None else pts * base + self._shift
            if not is_video or not self._stands_still(at):
                if is_video:
                    self._end = max(self._end, shown + (float(packet.duration or 0) * base or _FALLBACK_S))
                return Kept(packet, at, shown, is_video, starts)
            self._is_timed = False
        now = time.monotonic()
        return Kept(packet, now, now, is_video, starts)

    def _stands_still(self, at: float) -> bool:
        self._stuck = self._stuck + 1 if at <= self.now else min(0, self._stuck)
        return self._stuck >= _STUCK


class PacketRing:
    """Of one opening of a camera: packets from the key frame on that is `before` seconds old at least.

    Fed by the camera's thread; taken from by any.
    """

    def __init__(self, before: float, most_bytes: int, count: Callable[[str], object]) -> None:
        """`count` is called with the reason when less than `before` can be kept."""
        self.why = "nothing has come yet"
        """Why nothing can be recorded; empty: it can."""
        self._before = before
        self._most = most_bytes
        self._count = count
        self._forms: Forms | None = None
        self._video: deque[Kept] = deque()
        self._audio: deque[Kept] = deque()
        self._starts: deque[float] = deque()
        self._bytes = 0
        self._clock = _Clock()
        self._take: Take | None = None
        self._lock = threading.Lock()

    def open(self, container: av.container.InputContainer, *, is_file: bool) -> list[Any]:
        """The streams whose packets to `put`. A file may be opened again, and goes on then."""
        video, audio = container.streams.video[0], next(iter(container.streams.audio), None)
        try:
            forms = Forms(video, audio)
        except ValueError:
            self._restart(f"its video, {video.codec_context.name}, cannot stand in an MP4 file")
            return [video]
        with self._lock:
            goes_on = is_file and self._forms is not None and self._forms.key == forms.key
            if not goes_on:
                self._end_take("the camera shows something else")
                self._clear()
            self._forms = forms
            self._clock.begin(container, is_file=is_file, goes_on=goes_on)
            self.why = "" if self._starts else "no key frame has come yet"
        return [video] if not forms.has_sound else [video, audio]

    def refuse(self, why: str) -> None:
        """Nothing of this camera can be recorded."""
        self._restart(why)

    def put(self, packet: Packet, *, is_video: bool) -> None:
        """The next packet, in the order of the container."""
        if not packet.size or self._forms is None:
            return
        with self._lock:
            kept = self._clock.placed(packet, is_video=is_video)
            if is_video and not self._is_next(kept.at):
                self._end_take("the camera's clock jumped")
                self._clear()
            if is_video:
                self._add_picture(kept)
            elif self._starts:
                self._audio.append(kept)
                self._bytes += packet.size
            self._bound()
            if self._take is not None and not self._take.put(kept):
                self._take = None

    def take(self, seconds: float) -> Take | None:
        """What is kept, and what comes in the next seconds; none: nothing is kept. One at a time."""
        with self._lock:
            if self._forms is None or not self._starts:
                return None
            first = sorted((*self._video, *self._audio), key=lambda kept: kept.at)
            self._take = Take(self._forms, first, self._clock.now, seconds, self._most)
            return self._take

    def prolong(self, take: Take, seconds: float) -> bool:
        """Whether the recording goes on, until so many seconds from now at least."""
        with self._lock:
            return take is self._take and take.prolong(self._clock.now, seconds)

    def close(self) -> None:
        """The camera has gone: what is recorded ends here."""
        self._restart("it is not connected")

    def _restart(self, why: str) -> None:
        with self._lock:
            self._end_take("the camera broke off")
            self._clear()
            self._forms, self.why = None, why

    def _end_take(self, why: str) -> None:
        if self._take is not None:
            self._take.end(why)
            self._take = None

    def _clear(self) -> None:
        for held in (self._video, self._audio, self._starts):
            held.clear()
        self._bytes = 0

    def _is_next(self, at: float) -> bool:
        return not self._starts or _JUMP_S[0] <= at - self._clock.now <= _JUMP_S[1]

    def _add_picture(self, kept: Kept) -> None:
        self._clock.now = kept.at
        if kept.starts:
            self._starts.append(kept.at)
            self.why = ""
        if self._starts:
            self._video.append(kept)
            self._bytes += kept.packet.size

    def _bound(self) -> None:
        """Let go of what is older than wanted, and of what is too much."""
        while len(self._starts) > 1 and self._starts[1] <= self._clock.now - self._before:
            self._drop_first()
        while self._bytes > self._most:
            self._count("the ring is full")
            if len(self._starts) > 1:
                self._drop_first()
            else:
                self._clear()
                self.why = "its key frames are too far apart for `record.max_bytes`"

    def _drop_first(self) -> None:
        """The pictures up to the second key frame, and their sound."""
        self._starts.popleft()
        while self._video and not (self._video[0].starts and self._video[0].at >= self._starts[0]):
            self._bytes -= self._video.popleft().packet.size
        while self._audio and self._audio[0].at < self._starts[0] - _EARLIER_S:
            self._bytes -= self._audio.popleft().packet.size


def _described(context: Any) -> tuple[Any, ...]:
    size = (
        (context.width, context.height)
        if context.type == "video"
        else (context.sample_rate, context.channels)
    )
    return (context.name, bytes(context.extradata or b""), *size)
