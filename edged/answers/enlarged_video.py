"""A video that was made larger."""

from dataclasses import dataclass
from typing import Any

from edged.answers.fields import PUBLISHED
from edged.answers.kind import Kind, news
from edged.contracts.video import EnlargedVideo


@dataclass(frozen=True, slots=True)
class VideoFields:
    """Answer of the services that give a video back."""

    __pydantic_config__ = PUBLISHED

    oss_path: str
    """URI of the video in the store of artefacts. Of a failed request it is empty."""
    result: str
    """Empty, unless there is something to say of the video, such as that a part of it is damaged. Of a failed
    request it says why, as `error_msg`."""
    success: bool
    """True. Of a failed request it is false."""


def _written(found: EnlargedVideo, _: Any) -> VideoFields:
    return VideoFields(found.uri, found.note, True)


KIND = Kind(EnlargedVideo, VideoFields, write=_written, gist=news)
