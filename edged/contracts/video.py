"""Request, options and results of the video services."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict

from edged.contracts.described import Described
from edged.contracts.image import Classification
from edged.contracts.items import Pixels
from edged.contracts.media import MediaUrl
from edged.contracts.model import Options

Taxonomy = Literal["ucf101", "kinetics400"]
"""Whose names of actions."""


class VideoInput(Described):
    """A request that names one video."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: MediaUrl
    """Where the video is."""


class ActionOptions(Options):
    """Options of video-classification."""

    taxonomy: Literal["auto", "ucf101", "kinetics400"]
    """`ucf101` and `kinetics400`: classes of that list alone; `auto`: UCF101's name where a class of the
    model corresponds to one, else the model's own."""


class HighlightOptions(Options):
    """Options of video-highlight."""

    explain: bool
    """Whether to answer the score of every second, and what it is made of, too."""


class EnlargementOptions(Options):
    """Options of video-super-resolution."""

    scale: Literal[2, 4]
    """How many times as wide and as high."""


@dataclass(frozen=True, slots=True, eq=False)
class ActionClassification(Classification):
    """Result of video-classification."""

    taxonomies: Sequence[Taxonomy]
    """[classes]: whose name it is."""


@dataclass(frozen=True, slots=True, eq=False)
class ScoreCurve:
    """How interesting a video is, piece by piece."""

    step_us: int
    """Length of a piece, microseconds."""
    score: NDArray[np.float32]
    """[pieces], 0 to 1: the weighted sum of the parts."""
    parts: Mapping[str, NDArray[np.float32]]
    """[pieces] each, by name: 0 to 1, not yet weighted."""


@dataclass(frozen=True, slots=True, eq=False)
class Highlight:
    """Result of video-highlight: the most interesting span."""

    start_us: int
    """Microseconds from the beginning of the video."""
    end_us: int
    """Microseconds from the beginning of the video."""
    curve: ScoreCurve | None = None
    """Why it is that span, where that was asked."""
    uri: str = ""
    """Where the host has put the clip, once it has cut it."""
    note: str = ""
    """What the host has to say of the video, such as that a part of it is damaged."""


@dataclass(frozen=True, slots=True, eq=False)
class EnlargedVideo:
    """Result of video-super-resolution."""

    pictures: Iterator[tuple[Pixels, int]]
    """[height, width, 3] BGR, all of one size, and the microseconds from the beginning at which it is shown:
    one for each picture of the video, made while they are taken."""
    uri: str = ""
    """Where the host has put the video, once it is encoded."""
    note: str = ""
    """As of a `Highlight`."""
