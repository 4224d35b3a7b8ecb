"""The packets of a camera on their way to pictures: no more of them are decoded than somebody needs."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from typing import Any, NamedTuple, Protocol

import av
import av.error

from edged.contracts.errors import SourceError
from edged.flow.courtesy import CORES, PATIENCE_S

BURST = 15
"""Packets that wait at most while no picture is wanted. *Measured* with eight cameras of 720p: a picture at a
time takes 1.9 ms of CPU, for the caches are another camera's; five in a row take 1.7 each."""
KEPT_BYTES = 16_000_000
"""Of packets since the last key frame; of more it is waited for the next one."""
Packet = Any
"""`av.Packet`, generic for type checkers alone."""


class Need(Enum):
    """What must be decoded of a camera now."""

    ALL = "all"
    """Every picture."""
    REFERENCES = "references"
    """No picture is wanted for a while; only what later ones build on, and that later."""
    KEY_FRAMES = "key frames"
    """Pictures that stand alone, for the time being."""
    KEY_FRAMES_EVER = "key frames, and never anything else"
    """The same, and nothing is kept for another time."""


class NeedOf(Protocol):
    """Says what is needed."""

    def __call__(self, *, is_key: bool, size: int) -> Need:
        """Asked once a packet, in order: whether it begins a picture that stands alone, and its bytes."""


def everything(*, is_key: bool, size: int) -> Need:
    """All is needed."""
    return Need.ALL


def key_frames(*, is_key: bool, size: int) -> Need:
    """Only pictures that stand alone are needed."""
    return Need.KEY_FRAMES_EVER


class _Asked(NamedTuple):
    """A packet, and what was needed when it came."""

    packet: Packet
    need: Need


class Decoding:
    """Of one opened stream. It goes over to key frames alone with one of them, and back at any packet: those
    since the last key frame are kept for that, and decoded then without being shown."""

    def __init__(
        self,
        context: av.VideoCodecContext,
        need: NeedOf,
        damaged: Callable[[str], None],
        patience_s: float = math.inf,
    ) -> None:
        """`damaged` is called with the reason for each packet that cannot be decoded; `patience_s`: how long
        nothing else may come."""
        self._context = context
        self._need = need
        self._damaged = damaged
        self._patience_s = patience_s
        self._lost_since: float | None = None
        """When the first packet came that could not be decoded, since something could."""
        self._waiting: deque[tuple[_Asked, float]] = deque()
        self._kept: list[Packet] = []
        self._kept_bytes = 0
        self._rests = False
        """Only key frames were decoded lately: the decoder does not know what the next packet builds on."""
        self._skips = False
        self._shown: int | None = None
        """Time stamp of the key frame that was shown last, until another frame is."""

    def pictures(
        self, packets: Iterable[Packet], stop: threading.Event
    ) -> Iterator[tuple[av.VideoFrame, float]]:
        """What must be decoded, in the order in which it is shown, and when its packet came, seconds since
        the epoch, as far as the decoder does not hold pictures back. Raises `SourceError` when nothing that
        comes can be decoded."""
        for packet in packets:
            if stop.is_set():
                return
            courteous_until = time.monotonic() + PATIENCE_S
            for waiting, came_at in self._due(packet, time.time()):
                if waiting.need is Need.REFERENCES:
                    CORES.wait(courteous_until)
                try:
                    frames = self._decoded(waiting)
                except av.error.InvalidDataError:  # a lost packet; the next key frame repairs the picture
                    self._lose()
                else:
                    if frames:
                        self._lost_since = None
                    yield from ((frame, came_at) for frame in frames)

    def _lose(self) -> None:
        self._damaged("a packet cannot be decoded")
        now = time.monotonic()
        if self._lost_since is None:
            self._lost_since = now
        if now - self._lost_since >= self._patience_s:
            raise SourceError(
                f"nothing that came for {self._patience_s:g} s can be decoded; the camera sends no key "
                "frame, or another codec than before"
            )

    def _due(self, packet: Packet, now: float) -> Iterator[tuple[_Asked, float]]:
        """What must be decoded now: nothing, or all that has waited and the packet."""
        need = self._need(is_key=packet.is_keyframe, size=packet.size) if packet.size else Need.ALL
        self._waiting.append((_Asked(packet, need), now))
        if need is not Need.REFERENCES or len(self._waiting) >= BURST:
            while self._waiting:
                yield self._waiting.popleft()

    def _decoded(self, asked: _Asked) -> list[av.VideoFrame]:
        packet, need = asked
        if not packet.size:  # the end
            return [] if self._rests else self._new(packet.decode())
        if need in (Need.KEY_FRAMES, Need.KEY_FRAMES_EVER):
            if packet.is_keyframe:
                return self._alone(packet)
            if self._rests:
                self._keep(packet, need)
                return []
        if self._rests and not self._catches_up(packet):
            return []
        self._skip(need is Need.REFERENCES)
        return self._new(packet.decode())

    def _alone(self, packet: Packet) -> list[av.VideoFrame]:
        """A key frame, at once: a decoder that puts pictures in order would wait for the next one."""
        self._skip(False)
        frames = [*packet.decode(), *self._context.decode(None)]
        self._context.flush_buffers()
        for frame in frames:
            frame.time_base = packet.time_base
        self._rests, self._kept, self._kept_bytes = True, [packet], packet.size
        self._shown = frames[-1].pts if frames else None
        return frames

    def _new(self, frames: list[av.VideoFrame]) -> list[av.VideoFrame]:
        """Without the key frame, which may come for a second time after what was caught up with."""
        if not frames or self._shown is None:
            return frames
        again, self._shown = frames[0].pts == self._shown, None
        return frames[1:] if again else frames

    def _keep(self, packet: Packet, need: Need) -> None:
        self._kept_bytes += packet.size
        if need is Need.KEY_FRAMES_EVER or self._kept_bytes > KEPT_BYTES:
            self._kept.clear()
        if self._kept:
            self._kept.append(packet)

    def _catches_up(self, packet: Packet) -> bool:
        """Decode what the packet builds on; whether that is known."""
        if not packet.is_keyframe and not self._kept:
            return False
        self._skip(True)
        if not packet.is_keyframe:
            for kept in self._kept:
                kept.decode()
        self._rests, self._kept = False, []
        return True

    def _skip(self, skips: bool) -> None:
        """Whether pictures that no other builds on are left out."""
        if skips is not self._skips:
            self._skips = skips
            self._context.skip_frame = "NONREF" if skips else "DEFAULT"
