"""The most interesting seconds of a video."""

from dataclasses import dataclass
from typing import Any

from edged.answers.enlarged_video import VideoFields
from edged.answers.fields import PUBLISHED
from edged.answers.kind import Kind, news
from edged.contracts.video import Highlight


@dataclass(frozen=True, slots=True)
class HighlightFields(VideoFields):
    """Answer of video-highlight."""

    __pydantic_config__ = PUBLISHED

    start: int
    """Where the clip begins in the video, microseconds."""
    end: int
    """Where it ends, microseconds."""


def _written(found: Highlight, _: Any) -> HighlightFields:
    return HighlightFields(found.uri, "", True, found.start_us, found.end_us)


KIND = Kind(Highlight, HighlightFields, write=_written, gist=news)
