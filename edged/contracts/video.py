"""Request, options and results of the video services."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from edged.contracts.image import Classification
from edged.contracts.items import Pixels
from edged.contracts.media import MediaUrl
from edged.contracts.model import Options

Taxonomy = Literal["ucf101", "kinetics400"]
"""Whose names of actions."""


class VideoInput(BaseModel):
    """A request that names one video."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    input: MediaUrl
    """Where the video is."""


class ActionOptions(Options):
    """Options of video-classification."""

    taxonomy: Literal["auto", "ucf101", "kinetics400"]
    """`ucf101` and `kinetics400`: classes of that list alone; `auto`: UCF101's name where a class of the
    model corresponds to one, else the model's own."""


class EnlargementOptions(Options):
    """Options of video-super-resolution."""

    factor: Literal[2, 4]
    """How many times as wide and as high."""


@dataclass(frozen=True, slots=True, eq=False)
class ActionClassification(Classification):
    """Result of video-classification."""

    taxonomies: Sequence[Taxonomy]
    """[classes]: whose name it is."""


@dataclass(frozen=True, slots=True, eq=False)
class Highlight:
    """Result of video-highlight: the most interesting span."""

    start_us: int
    """Microseconds from the beginning of the video."""
    end_us: int
    """Microseconds from the beginning of the video."""
    uri: str = ""
    """Where the host has put the clip, once it has cut it."""


@dataclass(frozen=True, slots=True, eq=False)
class EnlargedVideo:
    """Result of video-super-resolution."""

    pictures: Iterator[Pixels]
    """[height, width, 3] BGR: one for each picture of the video, made while they are taken."""
    uri: str = ""
    """Where the host has put the video, once it is encoded."""
