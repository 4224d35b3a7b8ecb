"""The most interesting seconds of a video."""

from dataclasses import dataclass
from typing import Any

from edged.answers.enlarged_video import VideoFields
from edged.answers.fields import PUBLISHED, SCORE_DIGITS, Vector, rounded
from edged.answers.kind import Kind, news
from edged.contracts.video import Highlight, ScoreCurve


@dataclass(frozen=True, slots=True)
class CurveFields:
    """How interesting a video is, piece by piece."""

    __pydantic_config__ = PUBLISHED

    step: int
    """Length of a piece, microseconds."""
    score: Vector
    """[pieces], 0 to 1: the sum of the parts, weighted as the model's card says."""
    parts: dict[str, Vector]
    """[pieces] each, 0 to 1, by name: such as `loudness`, `motion`, `faces`."""


@dataclass(frozen=True, slots=True)
class HighlightFields(VideoFields):
    """Answer of video-highlight."""

    __pydantic_config__ = PUBLISHED

    start: int
    """Where the clip begins in the video, microseconds."""
    end: int
    """Where it ends, microseconds."""
    curve: CurveFields | None = None
    """Of a request with `explain`."""


def _written(found: Highlight, _: Any) -> HighlightFields:
    curve = None if found.curve is None else _curve(found.curve)
    return HighlightFields(found.uri, found.note, True, found.start_us, found.end_us, curve)


def _curve(found: ScoreCurve) -> CurveFields:
    parts = {name: rounded(part, SCORE_DIGITS) for name, part in found.parts.items()}
    return CurveFields(found.step_us, rounded(found.score, SCORE_DIGITS), parts)


KIND = Kind(Highlight, HighlightFields, write=_written, gist=news, shrink="leave out `explain`")
