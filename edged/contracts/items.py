"""What a model eats. Protocols, so that decoded video, pictures and shared memory look the same.

A stream or a request is turned into one of these by the host; a plugin only reads them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
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
        """Seconds since the epoch (UTC) at which the picture was taken or came in; in a `Video` since its
        beginning."""

    @property
    def seq(self) -> int:
        """Number of the frame within its source, from 0; gaps are frames that were not decoded."""

    def pixels(self, wanted: PixelFormat) -> Pixels:
        """[height, width, channels] u8 in that form: made once and kept, by any thread. Never write to it."""

    def part(self, box: Sequence[float] | NDArray[np.floating]) -> "Frame":
        """What a box (x1, y1, x2, y2 in pixels) holds: all pixels that it touches within the picture, at
        least one; the frame itself when that is all of it."""


@dataclass(frozen=True, slots=True)
class FramePair:
    """Two pictures: to compare, or one that is asked about and the one that it refers to."""

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


@dataclass(frozen=True, slots=True, eq=False)
class SpeechChunk:
    """What was said of an utterance since the last step, for a model that listens while somebody speaks.

    The chunks of an utterance follow each other without a gap. One with nothing before it begins an
    utterance, whatever came before: the last one may have had no end, and the same may be heard anew.
    """

    samples: NDArray[np.float32]
    """[n], mono, -1 to 1: the new ones alone. In the last chunk there may be none."""
    rate: int
    """Samples a second."""
    start_us: int
    """Where the utterance starts, not the chunk: microseconds since the opening of the source."""
    before: int = 0
    """Samples of the utterance before these."""
    voiced: tuple[tuple[int, int], ...] = ()
    """Spans of the whole utterance so far in which somebody speaks, in its samples. From step to step the
    last one grows and others follow; a new one may begin a little before this chunk."""
    final: bool = True
    """Whether the utterance is over."""

    @classmethod
    def of(cls, clip: AudioClip, before: int = 0, *, final: bool = True) -> "SpeechChunk":
        """What is new in an utterance so far of which the first samples are known."""
        return cls(clip.samples[before:], clip.rate, clip.start_us, before, clip.voiced, final)

    def behind(self, known: NDArray[np.float32]) -> AudioClip:
        """The utterance so far: `known`, [n] samples, begins with those of the chunks before this one."""
        samples = np.concatenate([known[: self.before], self.samples]) if self.before else self.samples
        return AudioClip(samples, self.rate, self.start_us, self.voiced)


@runtime_checkable
class Video(Protocol):
    """A video that the host opened, no longer than what was asked for: a model never sees the file."""

    @property
    def width(self) -> int:
        """Pixels, of the upright picture."""

    @property
    def height(self) -> int:
        """Pixels, of the upright picture."""

    @property
    def frame_rate(self) -> float | None:
        """Pictures a second; none where the file does not say, or they are not shown evenly."""

    @property
    def seconds(self) -> float | None:
        """Its length; none where the file does not say."""

    @property
    def has_sound(self) -> bool:
        """Whether `sound` gives any."""

    def frames(
        self,
        start_us: int = 0,
        end_us: int | None = None,
        step_us: int | None = None,
        rate: float | None = None,
    ) -> Iterator[Frame]:
        """Its pictures in order, decoded as they are asked for and held no longer than the caller holds them.

        Those of `start_us` (microseconds from the beginning) up to, not including, `end_us`; none is the end.
        Each picture once; or, with `step_us`, those that are shown at `start_us` and every so many
        microseconds later, one twice where the video has fewer; `rate` says the same as pictures a second.
        Raises `ValueError` for both together.

        Every call begins anew, and ends what an earlier one had left.
        """

    def sound(self, start_us: int = 0, end_us: int | None = None) -> AudioClip | None:
        """Its sound between these microseconds, whole in memory: 64 kB a second. None: it has none."""


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
