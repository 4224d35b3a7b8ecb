"""What a model eats. Protocols, so that decoded video, pictures and shared memory look the same.

A stream or a request is turned into one of these by the host; a plugin only reads them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""Picture bytes: [height, width, 3] in the asked colour order, or [height, width] for gray."""


class Fit(StrEnum):
    """How a picture is brought to the size that a model wants."""

    STRETCH = "stretch"
    """Both sides are scaled apart; the picture may look squashed."""
    LETTERBOX = "letterbox"
    """One scale for both sides, top left aligned; the rest of the canvas is padding."""
    CROP = "crop"
    """One scale for both sides, by the shorter one; what the canvas does not hold is cut off all round."""


class Colour(StrEnum):
    """Channel order."""

    BGR = "bgr"
    RGB = "rgb"
    GRAY = "gray"


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """Size, fit and colour order that a model wants; hashable, for it is also the key of a frame's cache."""

    size: tuple[int, int] | None = None
    """(height, width) in pixels; none keeps the picture's own."""
    fit: Fit = Fit.STRETCH
    colour: Colour = Colour.BGR
    pad: int = 0
    """Value of the padding of a letterbox, 0 to 255."""
    short_side: int | None = None
    """Length to which a crop scales the shorter side, pixels; none: just so that the canvas is full."""


@runtime_checkable
class Frame(Protocol):
    """One picture, from a camera or from a request."""

    @property
    def width(self) -> int:
        """Pixels, of the original upright picture."""

    @property
    def height(self) -> int:
        """Pixels, of the original upright picture."""

    @property
    def captured_at(self) -> float:
        """Seconds since the epoch (UTC) at which the picture was taken or came in."""

    @property
    def seq(self) -> int:
        """Number of the frame within its source, from 0; gaps are frames that were not decoded."""

    def pixels(self, wanted: PixelFormat) -> Pixels:
        """The picture in that form: converted once, cached, safe from several threads. Never write to it."""

    def part(self, box: Sequence[float] | NDArray[np.floating]) -> "Frame":
        """What a box (x1, y1, x2, y2 in pixels) holds: all pixels that it touches within the picture, at
        least one; the frame itself when that is all of it."""


@dataclass(frozen=True, slots=True)
class FramePair:
    """Two pictures to compare."""

    a: Frame
    b: Frame


@dataclass(frozen=True, slots=True, eq=False)
class AudioClip:
    """A piece of sound."""

    samples: NDArray[np.float32]
    """[n], mono, -1 to 1."""
    rate: int
    """Samples a second."""
    start_us: int
    """Start within the media, microseconds."""
    voiced: tuple[tuple[int, int], ...] = ()
    """Spans in which somebody speaks, in order: first sample and the one after the last."""

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.samples) / self.rate

    @property
    def voiced_seconds(self) -> float:
        """So long somebody speaks."""
        return sum(end - begin for begin, end in self.voiced) / self.rate


@dataclass(frozen=True, slots=True, eq=False)
class LiveClip:
    """A piece of a stream's sound."""

    clip: AudioClip
    """Its start is counted from the opening of the source."""
    captured_at: float
    """Seconds since the epoch (UTC) at which its first sample was captured."""
    seq: int
    """Number of the utterance, or of the piece, within its stream, from 0."""
    final: bool = True
    """False for an utterance that goes on: it comes again, longer."""


@dataclass(frozen=True, slots=True)
class Video:
    """A video file that was fetched and checked."""

    path: Path
    play_duration_us: int | None
    """Only so much of the beginning is processed; none is all of it."""


@dataclass(frozen=True, slots=True)
class TextPair:
    """One or two sequences of text."""

    id: str
    """Echoed in the answer."""
    first: str
    second: str
    """May be empty."""
    sequence_length: int
    """Tokens, at most 512."""


Item = Frame | FramePair | AudioClip | Video | TextPair
